"""`llmlora backup`: database, files and key in one verified archive, while the system runs."""

from __future__ import annotations

import errno
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, cast

from llmlora_site.cli import backup_database
from llmlora_site.cli.backup_archive import (
    DATABASES,
    MEDIA,
    MODELS,
    SECRET_KEY,
    ArchiveWriter,
    Manifest,
    already_there,
    new_archive,
)
from llmlora_site.cli.console import CommandFailure, say, say_facts, spinner
from llmlora_site.cli.language import _, ngettext
from llmlora_site.cli.preparation import database_failure, has_unapplied_migrations, set_up_django
from llmlora_site.home import Home

ROOM_BYTES = 16 * 1024 * 1024
"""Kept free beside the archive, so that the system that runs here does not stop for it."""

PASSING_FILES = (".draft-",)
PASSING_FOLDERS = ("system/workers", "exports")


def backup(target: Path, *, has_models: bool) -> None:
    """
    Args:
        target: the archive; nothing may have that name.
        has_models: whether base models that the owner put into the home by hand are taken along.

    Raises:
        CommandFailure: there is nothing to back up, or it could not be written.
    """
    home = Home.from_environment()
    _check_target(target)
    _check_source(home)
    started = time.monotonic()
    with system_told(), spinner(_("Backing up …")):
        manifest = _write(home, target.absolute(), has_models=has_models)
    say(_("The backup is complete, and was read again from the disk."), style="bold green")
    count, jobs = len(manifest.files), manifest.active_jobs
    facts = [
        (_("Archive"), str(target.absolute())),
        (_("Size"), f"{target.stat().st_size / 2**20:,.1f} MiB"),
        (_("Contents"), ngettext("%(count)d file", "%(count)d files", count) % {"count": count}),
        (_("Jobs under way"), f"{jobs}"),
        (_("Took"), f"{time.monotonic() - started:.1f} s"),
    ]
    say_facts(facts)
    if SECRET_KEY not in manifest.files:
        say(_("LLMLORA_SECRET_KEY is set by you and not in the archive. Keep it as well."))
    say(
        _(
            "It holds everybody's data and the key of this installation: keep it where nobody else reads it."
        )
    )


@contextmanager
def system_told() -> Iterator[None]:
    """What the system or the storage refuses becomes a sentence; each storage backend has errors of its own.

    Raises:
        CommandFailure: for every other failure than a full disk, which all commands tell alike.
    """
    try:
        yield
    except CommandFailure:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise
        raise CommandFailure(
            _(
                "It was given up, and nothing of it stays: %(reason)s. "
                "Check the rights of the folders and the storage, then run this again."
            )
            % {"reason": str(error).strip().rstrip(".") or type(error).__name__}
        ) from error


def _check_target(target: Path) -> None:
    if target.exists():
        raise already_there(target)
    if not target.parent.is_dir():
        raise CommandFailure(
            _("There is no folder %(folder)s. Make it, or choose another place.")
            % {"folder": target.absolute().parent}
        )


def _check_source(home: Home) -> None:
    nothing = CommandFailure(
        _(
            "There is nothing to back up: no llmlora has run with the data folder %(home)s. "
            "Name the right one with --home."
        )
        % {"home": home.root}
    )
    if not home.root.is_dir():
        # Django's settings would make it, and a key in it.
        raise nothing
    set_up_django()
    from django.db import DatabaseError

    try:
        if not backup_database.has_tables():
            raise nothing
        if has_unapplied_migrations():
            raise CommandFailure(
                _(
                    "The data is of an older version of llmlora. Start llmlora once so that it is brought "
                    "up to date, or make the backup with the version that made the data."
                )
            )
    except DatabaseError as error:
        raise database_failure(error) from error


def _write(home: Home, target: Path, *, has_models: bool) -> Manifest:
    """Files first, then the database, then files that came meanwhile: what a row refers to is in the archive.

    A file that nothing refers to any more does no harm: workers collect it.
    """
    from django.conf import settings
    from django.utils.timezone import now

    from training.models import TrainingJob

    _check_room(home, target, has_models=has_models)
    with (
        tempfile.TemporaryDirectory(dir=target.parent, prefix=".llmlora-backup-") as folder,
        new_archive(target) as archive,
    ):
        _add_stored(archive)
        if has_models:
            for path in _files_below(home.local_models):
                archive.add_path(MODELS + path.relative_to(home.local_models).as_posix(), path)
        if home.secret_key_file.exists() and _uses_own_key(home, settings.SECRET_KEY):
            archive.add_path(SECRET_KEY, home.secret_key_file)
        moment = now()
        copy = Path(folder) / "database"
        backup_database.copy_to(copy)
        archive.add_path(DATABASES[backup_database.kind()], copy)
        _add_stored(archive)
        manifest = Manifest(
            version=settings.VERSION,
            created_at=moment.astimezone(UTC).isoformat(timespec="seconds"),
            database=backup_database.kind(),
            migrations=backup_database.applied_migrations(),
            active_jobs=TrainingJob.objects.active().count(),
        )
        archive.end(manifest)
    return manifest


def _uses_own_key(home: Home, key: str) -> bool:
    return home.secret_key() == key


def _check_room(home: Home, target: Path, *, has_models: bool) -> None:
    """Refuse before a running system suffers from a full disk."""
    from django.core.files.storage import default_storage

    needed = 2 * home.database.stat().st_size if home.database.exists() else 0
    needed += sum(default_storage.size(name) for name in stored_names())
    if has_models:
        needed += sum(path.stat().st_size for path in _files_below(home.local_models))
    free = shutil.disk_usage(target.parent).free
    if needed + ROOM_BYTES > free:
        raise CommandFailure(
            _(
                "The backup needs about %(needed)d MiB in %(folder)s, and %(free)d MiB are free. "
                "Make room, or choose another place."
            )
            % {"needed": needed // 2**20, "free": free // 2**20, "folder": target.parent}
        )


def _add_stored(archive: ArchiveWriter) -> None:
    from django.core.files.storage import default_storage

    for name in stored_names():
        if MEDIA + name in archive.files:
            continue
        try:
            stream = default_storage.open(name, "rb")
        except FileNotFoundError:
            # Deleted meanwhile.
            continue
        with stream:
            archive.add(MEDIA + name, cast(IO[bytes], stream), stream.size)


def stored_names(folder: str = "") -> Iterator[str]:
    """Names of all files in storage, but for drafts and marks of a moment."""
    from django.core.files.storage import default_storage

    try:
        folders, names = default_storage.listdir(folder)
    except FileNotFoundError:
        return
    prefix = f"{folder}/" if folder else ""
    yield from (f"{prefix}{name}" for name in names if not name.startswith(PASSING_FILES))
    for name in folders:
        if f"{prefix}{name}" not in PASSING_FOLDERS:
            yield from stored_names(f"{prefix}{name}")


def _files_below(folder: Path) -> Iterator[Path]:
    """Regular files; links are followed, because a model may be linked from elsewhere."""
    if folder.is_dir():
        yield from (path for path in sorted(folder.rglob("*")) if path.is_file())


def default_target() -> Path:
    """A name that sorts by its moment, in the current folder."""
    moment = datetime.now().astimezone()
    return Path.cwd() / f"llmlora-{moment:%Y%m%d-%H%M%S}.tar"
