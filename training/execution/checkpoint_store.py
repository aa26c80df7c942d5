"""A job's newest checkpoint in storage, for an attempt on another host.

Files go first and their manifest last; the engine proves every checkpoint by its digests before it goes on from it."""

from __future__ import annotations

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.core.files.storage import default_storage

from common import storage

logger = logging.getLogger(__name__)

MANIFEST = "checkpoint.json"


def prefix_of(job_id: UUID) -> str:
    return f"jobs/{job_id}/checkpoints"


class CheckpointPusher:
    """Copies new checkpoints to storage beside the training, one at a time."""

    def __init__(self, job_id: UUID, folder: Path) -> None:
        self._job_id = job_id
        self._folder = folder
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._last: Future[None] | None = None

    def push(self) -> None:
        """Copy the newest checkpoint, unless the one before is still on its way."""
        if settings.CHECKPOINTS_IN_STORAGE and (self._last is None or self._last.done()):
            self._last = self._pool.submit(push_newest, self._job_id, self._folder)

    def finish(self, *, with_newest: bool) -> None:
        """Wait for the copy under way.

        Args:
            with_newest: whether another host may go on from here, so that the last one is copied too.
        """
        self._pool.shutdown(wait=True)
        if with_newest and settings.CHECKPOINTS_IN_STORAGE:
            push_newest(self._job_id, self._folder)


def push_newest(job_id: UUID, folder: Path) -> None:
    """Copy the newest local checkpoint and drop older copies. A failure costs a better restart, never the job."""
    newest = _newest_local(folder)
    if newest is None:
        return
    prefix = prefix_of(job_id)
    try:
        names = sorted(path.name for path in newest.iterdir())
        for name in sorted(names, key=lambda name: name == MANIFEST):
            storage.save_file(f"{prefix}/{newest.name}/{name}", newest / name)
        for other in _stored(prefix):
            if other != newest.name:
                storage.delete_prefix(f"{prefix}/{other}")
    except Exception:
        # Storage may be away, or the engine drops this checkpoint for a newer one meanwhile.
        logger.warning("job=%s checkpoint %s was not copied", job_id, newest.name, exc_info=True)


def fetch_newer(job_id: UUID, folder: Path) -> None:
    """Bring the stored checkpoint here when it is newer than the local ones."""
    if not settings.CHECKPOINTS_IN_STORAGE:
        return
    local = _newest_local(folder)
    try:
        stored = max(_stored(prefix_of(job_id)), key=_step, default=None)
        if stored is None or (local is not None and _step(local.name) >= _step(stored)):
            return
        source = f"{prefix_of(job_id)}/{stored}"
        _folders, names = default_storage.listdir(source)
        if MANIFEST not in names:
            return
        for name in sorted(names, key=lambda name: name == MANIFEST):
            storage.fetch_file(f"{source}/{name}", folder / stored / name)
    except Exception:
        logger.warning("job=%s its stored checkpoint was not fetched", job_id, exc_info=True)


def _newest_local(folder: Path) -> Path | None:
    found = [path for path in folder.glob("checkpoint-*") if (path / MANIFEST).is_file()]
    return max(found, key=lambda path: _step(path.name), default=None)


def _stored(prefix: str) -> list[str]:
    try:
        folders, _files = default_storage.listdir(prefix)
    except FileNotFoundError:
        return []
    return [name for name in folders if _step(name) >= 0]


def _step(name: str) -> int:
    number = name.rpartition("-")[2]
    return int(number) if number.isdigit() else -1
