"""Where rows are kept."""

from __future__ import annotations

import sqlite3

from llmlora_site.settings.environment import LLMLORA_HOME, env


def _sqlite_options() -> dict[str, object]:
    """WAL only where SQLite has the fix for the WAL-reset race (3.51.3, 3.50.7, 3.44.6): older ones can lose pages."""
    version = sqlite3.sqlite_version_info
    is_fixed = (
        version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51) or (3, 44, 6) <= version < (3, 45)
    )
    journal = (
        "journal_mode=WAL; PRAGMA synchronous=NORMAL"
        if is_fixed
        else "journal_mode=TRUNCATE; PRAGMA synchronous=FULL"
    )
    return {
        "timeout": 20,
        # A read transaction that turns into a writer fails at once with SQLITE_BUSY; an immediate one waits its turn.
        "transaction_mode": "IMMEDIATE",
        "init_command": f"PRAGMA {journal}; PRAGMA foreign_keys=ON;",
    }


DATABASE_URL = env.str("DATABASE_URL", default="")
if DATABASE_URL:
    DATABASES = {"default": env.db("DATABASE_URL")}
else:
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": LLMLORA_HOME.database,
            "OPTIONS": _sqlite_options(),
        }
    }
# Sign-in limits must hold across web processes and survive an emptied Redis.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "cache_entries",
    },
}
