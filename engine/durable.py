"""Writing that survives a crash: bytes reach the disk before the name that announces them. Torch-free."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from engine.errors import DiskFullError


def write_bytes(path: Path, data: bytes) -> None:
    """Write and fsync one file."""
    with path.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def sync_folder(folder: Path) -> None:
    """fsync a folder, so that its names are on disk; not every system allows it."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextlib.contextmanager
def folder_written_whole(
    target: Path, keep_existing: Callable[[], bool] | None = None
) -> Iterator[Path]:
    """Yield a temporary folder beside `target` that becomes `target` at the end, or vanishes on failure.

    An older `target` is replaced, unless `keep_existing` finds that another process has put a good one there.

    Raises:
        DiskFullError: no space was left.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.parent / f".{target.name}.{uuid.uuid4().hex[:12]}.tmp"
    try:
        with disk_full_told(target.parent):
            temporary.mkdir()
            yield temporary
            sync_folder(temporary)
            _put_in_place(temporary, target, keep_existing)
            sync_folder(target.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def disk_full_told(folder: Path) -> Iterator[None]:
    """Turn "no space left" and "quota exceeded" into DiskFullError with the free bytes of `folder`."""
    try:
        yield
    except OSError as failure:
        if not is_disk_full(failure):
            raise
        free_bytes = 0
        with contextlib.suppress(OSError):
            free_bytes = shutil.disk_usage(folder).free
        raise DiskFullError(str(failure), free_bytes=free_bytes) from failure


def is_disk_full(failure: BaseException) -> bool:
    """Whether an exception says that no space, or none of the quota, is left."""
    return isinstance(failure, OSError) and failure.errno in (errno.ENOSPC, errno.EDQUOT)


def _put_in_place(temporary: Path, target: Path, keep_existing: Callable[[], bool] | None) -> None:
    try:
        os.replace(temporary, target)
        return
    except OSError as failure:
        if not target.is_dir() or is_disk_full(failure):
            raise
    if keep_existing is not None and keep_existing():
        return
    # A folder that is not empty can not be replaced in one call: move it aside first.
    old = target.parent / f".{target.name}.{uuid.uuid4().hex[:12]}.old"
    with contextlib.suppress(FileNotFoundError):
        os.replace(target, old)
    try:
        os.replace(temporary, target)
    finally:
        shutil.rmtree(old, ignore_errors=True)
