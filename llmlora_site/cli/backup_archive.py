"""The archive of a backup: one tar file whose last member, the manifest, names every other one with its digest."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from llmlora_site.cli.console import CommandFailure
from llmlora_site.cli.language import _

FORMAT = 1
MANIFEST = "manifest.json"
SECRET_KEY = "secret_key"  # noqa: S105 - the name of a file
DATABASES = {"sqlite": "database.sqlite3", "postgresql": "database.dump"}
MEDIA = "media/"
MODELS = "models/"
CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an archive says of itself.

    Attributes:
        version: of the llmlora that made it.
        database: its kind, a key of DATABASES.
        migrations: that the database had seen, as app.name.
        active_jobs: that waited or ran at that moment.
        files: name to (bytes, sha256) of every other member.
    """

    version: str
    created_at: str
    database: str
    migrations: list[str]
    active_jobs: int
    files: dict[str, tuple[int, str]] = field(default_factory=dict)
    format: int = FORMAT

    def of(self, folder: str) -> list[str]:
        """Names of the members below a folder."""
        return [name for name in self.files if name.startswith(folder)]


class ArchiveWriter:
    """Writes members one after another."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self.files: dict[str, tuple[int, str]] = {}

    def add(self, name: str, source: IO[bytes], size_bytes: int) -> None:
        """Take so many bytes of `source` as a member.

        Raises:
            OSError: it holds fewer.
        """
        hashing = _HashingReader(source)
        self._tar.addfile(_head(name, size_bytes), hashing)
        self.files[name] = size_bytes, hashing.hexdigest()

    def add_path(self, name: str, path: Path) -> None:
        with path.open("rb") as source:
            self.add(name, source, os.fstat(source.fileno()).st_size)

    def end(self, manifest: Manifest) -> None:
        manifest.files.update(self.files)
        content = json.dumps(asdict(manifest), indent=1).encode()
        self._tar.addfile(_head(MANIFEST, len(content)), io.BytesIO(content))


@contextmanager
def new_archive(target: Path) -> Iterator[ArchiveWriter]:
    """An archive that appears under its name only when it is complete and on the disk; its owner alone may read it.

    Raises:
        CommandFailure: there is something of that name.
    """
    handle, draft_name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    draft = Path(draft_name)
    try:
        with os.fdopen(handle, "wb") as stream:
            with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
                yield ArchiveWriter(tar)
            stream.flush()
            os.fsync(stream.fileno())
        verify(draft)
        try:
            # A link never replaces what came meanwhile.
            os.link(draft, target)
        except FileExistsError:
            raise already_there(target) from None
    finally:
        draft.unlink(missing_ok=True)


def already_there(target: Path) -> CommandFailure:
    return CommandFailure(
        _("%(file)s exists already, and a backup replaces nothing. Choose another name.")
        % {"file": target}
    )


@contextmanager
def opened(path: Path) -> Iterator[tuple[tarfile.TarFile, Manifest]]:
    """An archive to read, with its manifest.

    Raises:
        CommandFailure: it is no backup, or one that this version does not know.
    """
    try:
        with tarfile.open(path, mode="r:") as tar:
            yield tar, _manifest(tar, path)
    except (tarfile.TarError, EOFError) as error:
        raise _no_backup(path) from error


def verify(path: Path) -> Manifest:
    """Read the whole archive and compare it with its manifest.

    Raises:
        CommandFailure: it is no backup, or not whole.
    """
    with opened(path) as (tar, manifest):
        seen = set()
        for member in tar:
            if member.name == MANIFEST:
                continue
            expected = manifest.files.get(member.name)
            if not member.isfile() or expected is None or not _is_known_name(member.name):
                raise _damaged(path, member.name)
            if (member.size, _digest(tar, member)) != expected or member.name in seen:
                raise _damaged(path, member.name)
            seen.add(member.name)
        missing = set(manifest.files) - seen
        if missing:
            raise _damaged(path, min(missing))
    return manifest


class _HashingReader:
    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self._digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        content = self._source.read(size)
        self._digest.update(content)
        return content

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


def _head(name: str, size_bytes: int) -> tarfile.TarInfo:
    head = tarfile.TarInfo(name)
    head.size, head.mode = size_bytes, 0o600
    return head


def _manifest(tar: tarfile.TarFile, path: Path) -> Manifest:
    try:
        stream = tar.extractfile(MANIFEST)
        values: dict[str, Any] = json.loads(stream.read()) if stream else {}
        format_number = values.get("format")
        if format_number == FORMAT:
            files = {name: (size, digest) for name, (size, digest) in values["files"].items()}
            return Manifest(**{**values, "files": files})
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise _no_backup(path) from error
    raise CommandFailure(
        _(
            "%(file)s was made by a newer version of llmlora (%(version)s). Update llmlora, then restore it."
        )
        % {"file": path, "version": values.get("version", "?")}
    )


def _digest(tar: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    stream = tar.extractfile(member)
    assert stream is not None
    digest = hashlib.sha256()
    while chunk := stream.read(CHUNK_BYTES):
        digest.update(chunk)
    return digest.hexdigest()


def _is_known_name(name: str) -> bool:
    """Whether a member may be there: nothing leads out of the folder that it is put into."""
    if name == SECRET_KEY or name in DATABASES.values():
        return True
    parts = name.split("/")
    is_below = name.startswith((MEDIA, MODELS)) and "\\" not in name
    return is_below and not any(part in ("", ".", "..") for part in parts)


def _no_backup(path: Path) -> CommandFailure:
    return CommandFailure(
        _(
            "%(file)s is not a whole backup of llmlora: its list of contents is missing or can not be read. "
            "Take another one."
        )
        % {"file": path}
    )


def _damaged(path: Path, name: str) -> CommandFailure:
    return CommandFailure(
        _(
            "The backup %(file)s is damaged: %(name)s in it is not what was written. "
            "Nothing was taken from it. Copy the file again, or take another backup."
        )
        % {"file": path, "name": name}
    )
