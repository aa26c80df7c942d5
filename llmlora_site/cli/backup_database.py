"""The database of a backup: a copy that is whole at one moment, made while the system runs, and its way back."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

from llmlora_site.cli.console import CommandFailure
from llmlora_site.cli.language import _

LOCK_SECONDS = 60.0
"""So long a copy of SQLite waits for a writer."""


def kind() -> str:
    """`sqlite` or `postgresql`."""
    from django.db import connection

    return str(connection.vendor)


def applied_migrations() -> list[str]:
    from django.db import connection
    from django.db.migrations.recorder import MigrationRecorder

    return sorted(
        f"{app}.{name}" for app, name in MigrationRecorder(connection).applied_migrations()
    )


def unknown_migrations(applied: list[str]) -> list[str]:
    """Those that this version does not have: the database is newer than the program."""
    from django.db.migrations.loader import MigrationLoader

    known = {f"{app}.{name}" for app, name in MigrationLoader(None).disk_migrations}
    ours = {name.split(".")[0] for name in known}
    return [name for name in applied if name.split(".")[0] in ours and name not in known]


def has_tables() -> bool:
    """Whether the database holds anything; SQLite's is not made by the question."""
    from django.db import connection

    if connection.vendor == "sqlite":
        return Path(connection.settings_dict["NAME"]).exists()
    return bool(connection.introspection.table_names())


def copy_to(target: Path) -> None:
    """
    Raises:
        CommandFailure: no copy could be made, or it is not sound.
    """
    from django.db import connection

    if connection.vendor == "sqlite":
        _copy_sqlite(Path(connection.settings_dict["NAME"]), target)
    else:
        _run("pg_dump", ["--format=custom", "--no-owner", f"--file={target}"])


def bring_back(source: Path) -> None:
    """Make `source` the database; there was none before.

    Raises:
        CommandFailure: the database did not take it.
    """
    from django.db import connection

    if connection.vendor == "sqlite":
        _check(source)
        shutil.move(source, connection.settings_dict["NAME"])
    else:
        _run("pg_restore", ["--no-owner", "--single-transaction", str(source)])


def _copy_sqlite(database: Path, target: Path) -> None:
    address = f"{database.absolute().as_uri()}?mode=ro"
    try:
        with (
            closing(sqlite3.connect(address, uri=True, timeout=LOCK_SECONDS)) as source,
            closing(sqlite3.connect(target)) as copy,
        ):
            source.backup(copy)
            # The copy is one file, whatever the original keeps beside it.
            copy.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as error:
        raise CommandFailure(
            _("The database %(file)s could not be copied: %(reason)s. No backup was made.")
            % {"file": database, "reason": error}
        ) from error
    _check(target)


def _check(database: Path) -> None:
    try:
        with closing(sqlite3.connect(database)) as connection:
            (answer,) = connection.execute("PRAGMA integrity_check").fetchone()
    except sqlite3.Error as error:
        answer = error
    if answer != "ok":
        raise CommandFailure(
            _(
                "The database is damaged (%(reason)s). Nothing was backed up or restored. "
                "Run llmlora doctor, and take an older backup."
            )
            % {"reason": answer}
        )


def _run(program: str, arguments: list[str]) -> None:
    from django.db import connection
    from django.db.backends.postgresql.client import DatabaseClient

    (_psql, *where), extra = DatabaseClient.settings_to_cmd_args_env(connection.settings_dict, [])
    # The last one is the name of the database; these two programs want it behind an option.
    command: list[Any] = [_found(program), *where[:-1], f"--dbname={where[-1]}", *arguments]
    connection.close()
    done = subprocess.run(
        command,
        env=os.environ | (extra or {}) | {"LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"{program}: {done.returncode}"]
        raise CommandFailure(
            _("PostgreSQL's %(program)s failed: %(reason)s")
            % {"program": program, "reason": lines[-1]},
            log_tail="\n".join(lines[-10:]),
        )


def _found(program: str) -> str:
    """The newest one on this machine: an older one than the server refuses to work."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_number, reverse=True)
    path = os.pathsep.join([*map(str, folders), os.environ.get("PATH", os.defpath)])
    found = shutil.which(program, path=path)
    if found is None:
        raise CommandFailure(
            _(
                "%(program)s is not on this machine. Install PostgreSQL's client programs "
                "(on Debian and Ubuntu: sudo apt install postgresql-client), then run this again."
            )
            % {"program": program}
        )
    return found


def _number(folder: Path) -> float:
    try:
        return float(folder.parent.name)
    except ValueError:
        return 0.0
