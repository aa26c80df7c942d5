"""`llmlora restore`: a backup into an empty installation, whole or not at all."""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from llmlora_site.cli import backup_database
from llmlora_site.cli.backup import stored_names, system_told
from llmlora_site.cli.backup_archive import (
    DATABASES,
    MEDIA,
    MODELS,
    SECRET_KEY,
    Manifest,
    opened,
    verify,
)
from llmlora_site.cli.console import CommandFailure, say, say_facts, spinner
from llmlora_site.cli.instance import InstanceLock
from llmlora_site.cli.language import _, ngettext
from llmlora_site.cli.preparation import database_failure, set_up_django
from llmlora_site.home import Home


@dataclass(slots=True)
class _Written:
    """What was put in place so far, to be taken away when the rest fails."""

    paths: list[Path] = field(default_factory=list)
    stored: list[str] = field(default_factory=list)


def restore(archive: Path) -> None:
    """
    Raises:
        CommandFailure: the archive is no whole backup, the installation is not empty, or something could not be
            written; then nothing of the archive stays.
    """
    home = Home.from_environment()
    with spinner(_("Reading the backup …")):
        manifest = verify(archive)
    _refuse_unless_empty(home)
    with (
        system_told(),
        _all_or_nothing() as written,
        opened(archive) as (tar, _manifest),
    ):
        if SECRET_KEY in manifest.files:
            # Before Django is set up, which makes a key where there is none.
            _extract(tar, SECRET_KEY, home.secret_key_file, written)
        else:
            written.paths.append(home.secret_key_file)
        set_up_django()
        home.create()
        _refuse_other_world(manifest)
        with spinner(_("Restoring …")):
            _restore_files(tar, manifest, home, written)
            _restore_database(tar, manifest, home)
    _tell(manifest, home)


def _refuse_unless_empty(home: Home) -> None:
    """A restore replaces nothing."""
    if InstanceLock(home).holder() is not None:
        raise CommandFailure(
            _(
                "llmlora is running with the data folder %(home)s. Stop it, and restore into another folder."
            )
            % {"home": home.root}
        )
    if home.database.exists() or home.secret_key_file.exists() or _has_files(home.media):
        raise CommandFailure(
            _(
                "The data folder %(home)s holds data already, and a restore replaces nothing. "
                "Name an empty or new one with --home, or move the old one away."
            )
            % {"home": home.root}
        )


def _has_files(folder: Path) -> bool:
    return folder.is_dir() and any(path.is_file() for path in folder.rglob("*"))


def _refuse_other_world(manifest: Manifest) -> None:
    """Database and storage that the settings name must be empty, and of the archive's kind."""
    from django.db import DatabaseError

    kind = backup_database.kind()
    names = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
    if kind != manifest.database:
        raise CommandFailure(
            _(
                "The backup holds a %(theirs)s database, and this installation uses %(ours)s. "
                "Set DATABASE_URL as where the backup was made."
            )
            % {"theirs": names[manifest.database], "ours": names.get(kind, kind)}
        )
    try:
        has_tables = backup_database.has_tables()
    except DatabaseError as error:
        raise database_failure(error) from error
    if has_tables:
        raise CommandFailure(
            _(
                "The database of DATABASE_URL holds tables already, and a restore replaces nothing. "
                "Make a new, empty database and name it there."
            )
        )
    if next(stored_names(), None) is not None:
        raise CommandFailure(
            _(
                "The storage holds files already, and a restore replaces nothing. Choose an empty place for it."
            )
        )
    unknown = backup_database.unknown_migrations(manifest.migrations)
    if unknown:
        raise CommandFailure(
            _(
                "The backup was made by a newer version of llmlora (%(version)s). Update llmlora, then restore it."
            )
            % {"version": manifest.version}
        )


@contextmanager
def _all_or_nothing() -> Iterator[_Written]:
    written = _Written()
    try:
        yield written
    except BaseException:
        for path in written.paths:
            path.unlink(missing_ok=True)
        if written.stored:
            from django.core.files.storage import default_storage

            for name in written.stored:
                default_storage.delete(name)
        raise


def _restore_files(tar: tarfile.TarFile, manifest: Manifest, home: Home, written: _Written) -> None:
    from django.core.files import File
    from django.core.files.storage import default_storage

    for name in manifest.of(MODELS):
        _extract(tar, name, home.local_models / name.removeprefix(MODELS), written)
    for name in manifest.of(MEDIA):
        stream = tar.extractfile(name)
        assert stream is not None
        stored = name.removeprefix(MEDIA)
        written.stored.append(stored)
        with stream:
            default_storage.save(stored, File(stream, name=Path(stored).name))


def _restore_database(tar: tarfile.TarFile, manifest: Manifest, home: Home) -> None:
    """Last: an installation without its database is seen to be none."""
    with tempfile.TemporaryDirectory(dir=home.root, prefix=".restore-") as folder:
        source = Path(folder) / "database"
        _extract(tar, DATABASES[manifest.database], source, _Written())
        backup_database.bring_back(source)


def _extract(tar: tarfile.TarFile, name: str, target: Path, written: _Written) -> None:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    source = tar.extractfile(name)
    assert source is not None
    # Exclusively: nothing is replaced, and nobody else may read it.
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    written.paths.append(target)
    with source, os.fdopen(handle, "wb") as stream:
        shutil.copyfileobj(source, stream)
        stream.flush()
        os.fsync(stream.fileno())


def _tell(manifest: Manifest, home: Home) -> None:
    say(_("Everything is back."), style="bold green")
    count = len(manifest.files)
    say_facts(
        [
            (_("Data folder"), str(home.root)),
            (_("Made"), f"{manifest.created_at} (llmlora {manifest.version})"),
            (
                _("Contents"),
                ngettext("%(count)d file", "%(count)d files", count) % {"count": count},
            ),
            (_("Jobs under way"), f"{manifest.active_jobs}"),
        ]
    )
    if SECRET_KEY not in manifest.files:
        say(_("Set LLMLORA_SECRET_KEY as it was, or everybody has to sign in again."))
    if manifest.active_jobs:
        say(
            _(
                "Jobs that waited then wait again; those that ran are taken up by the first worker, from their start."
            )
        )
    say(_("Start it with: llmlora up --home %(home)s") % {"home": home.root})
