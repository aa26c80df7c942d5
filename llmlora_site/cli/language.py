"""The command line's own translations: they work before Django is set up, and when it can not be."""

from __future__ import annotations

import gettext as standard_gettext
import os
from functools import lru_cache
from pathlib import Path

LOCALE_DIR = Path(__file__).resolve().parent.parent.parent / "locale"


def terminal_language() -> str:
    """`ja` where the terminal or the installation speaks Japanese, else `en`."""
    for name in ("LLMLORA_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(name):
            return "ja" if value.lower().startswith("ja") else "en"
    return "en"


@lru_cache(maxsize=1)
def _translations() -> standard_gettext.NullTranslations:
    try:
        return standard_gettext.translation(
            "django", LOCALE_DIR, [terminal_language()], fallback=True
        )
    except (OSError, UnicodeDecodeError):
        # A half-written catalogue must not keep the system from starting; English remains.
        return standard_gettext.NullTranslations()


def _(message: str) -> str:
    return _translations().gettext(message)


def ngettext(singular: str, plural: str, count: int) -> str:
    return _translations().ngettext(singular, plural, count)
