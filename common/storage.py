"""Files through Django's storage: written whole or not at all, never renamed behind the caller's back."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files import File
from django.core.files.storage import FileSystemStorage, default_storage
from django.utils.translation import gettext_lazy as _

from common.errors import DiskFullError

CHUNK_BYTES = 1024 * 1024


class AtomicFileSystemStorage(FileSystemStorage):
    """Local files that appear under their name only when complete and synced; a second save replaces the first."""

    def _save(self, name: str, content: File[Any]) -> str:
        target = Path(self.path(name))
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(dir=target.parent, prefix=".draft-")
        try:
            with os.fdopen(handle, "wb") as stream:
                for chunk in content.chunks(CHUNK_BYTES):
                    stream.write(chunk if isinstance(chunk, bytes) else chunk.encode())
                stream.flush()
                os.fsync(stream.fileno())
            Path(draft).replace(target)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
        return name

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        return name


def save_file(name: str, path: Path) -> None:
    """Store the file at path under name.

    Raises:
        DiskFullError: no space left.
    """
    try:
        with path.open("rb") as stream:
            default_storage.save(name, File(stream, name=path.name))
    except OSError as error:
        raise_if_full(error)
        raise


def fetch_file(name: str, path: Path) -> None:
    """Copy a stored file to a local path, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".draft-")
    try:
        with os.fdopen(handle, "wb") as target, default_storage.open(name, "rb") as source:
            shutil.copyfileobj(source, target, CHUNK_BYTES)
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def read_lines(name: str) -> Iterator[str]:
    """The lines of a stored UTF-8 file, without their ends."""
    with default_storage.open(name, "rb") as stream:
        for line in stream:
            yield line.decode("utf-8").rstrip("\n")


def delete_prefix(prefix: str) -> None:
    """Delete every stored file below prefix; missing ones are no error."""
    try:
        folders, files = default_storage.listdir(prefix)
    except FileNotFoundError:
        return
    for name in files:
        default_storage.delete(f"{prefix}/{name}")
    for name in folders:
        delete_prefix(f"{prefix}/{name}")
    # A local folder that is empty now goes too; object stores have none.
    default_storage.delete(prefix)


def sha256_of_file(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def raise_if_full(error: OSError) -> None:
    """Raise DiskFullError when that is what the system said."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        raise DiskFullError(
            _(
                "There is no space left on the server's disk, so nothing was saved. "
                "Ask your instructor to free some space."
            )
        ) from error


def check_free_space() -> None:
    """Refuse new work while the disk is nearly full, before the database suffers.

    Raises:
        DiskFullError: less than MIN_FREE_DISK_BYTES are free.
    """
    if shutil.disk_usage(settings.LLMLORA_HOME.root).free < settings.MIN_FREE_DISK_BYTES:
        raise DiskFullError(
            _(
                "The server's disk is nearly full, so nothing new can be saved. Ask your instructor to free some space."
            )
        )
