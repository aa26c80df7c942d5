"""A waiting pull becomes a model in Ollama, each in a thread of its own, so that it keeps no job or chat waiting."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from uuid import UUID

from django.db import DatabaseError, connection

from modelhub.execution import is_draining
from modelhub.models import BaseModel
from modelhub.ollama.address import is_configured
from modelhub.ollama.pulling import Pull
from modelhub.ollama.syncing import ollama_name, sync_quietly
from modelhub.pulling_lifecycle import (
    PullLease,
    PullLostError,
    claim_pull,
    complete_pull,
    fail_pull,
    finish_cancelled_pull,
    give_back_pull,
    renew_pull,
    waiting_pulls,
)
from modelhub.pulling_outcome import TRIED_AGAIN, failure_of

logger = logging.getLogger(__name__)

MOST_AT_ONCE = 2
"""Pulls of one worker: more would only share the same line to the library."""
RENEWAL_SECONDS = 1.0
RETRY_SECONDS = (5.0, 30.0, 120.0)
"""Before each further try after a broken line; whatever comes between begins them anew."""

SYNC_SECONDS = 60.0
"""So old the list of models may be, when somebody fetched or deleted one without us."""

_lock = threading.Lock()
_synced_at = float("-inf")
_threads: dict[str, threading.Thread] = {}


class _LeavingError(Exception):
    """The worker stops."""


def look_after_ollama() -> None:
    """Begin pulls that no poke told of, and now and then look what models there are; for a worker's patrol."""
    global _synced_at
    if not is_configured():
        return
    begin_pulls(waiting_pulls())
    if time.monotonic() - _synced_at >= SYNC_SECONDS:
        _synced_at = time.monotonic()
        sync_quietly()


def begin_pulls(pull_ids: Iterable[UUID | str]) -> None:
    """Work on these pulls, as many as there are places for; returns at once. Others find the rest."""
    if not is_configured() or is_draining():
        return
    for pull_id in map(str, pull_ids):
        with _lock:
            if pull_id in _threads or len(_threads) >= MOST_AT_ONCE:
                continue
            thread = threading.Thread(
                target=_run_in_thread, args=(pull_id,), name=f"pull {pull_id}", daemon=True
            )
            _threads[pull_id] = thread
            # With the lock held: whoever waits for its end may join it.
            thread.start()


def wait_pulls_ended(timeout_seconds: float) -> None:
    """Let the pulls of a worker that stops be given back."""
    due_at = time.monotonic() + timeout_seconds
    with _lock:
        threads = list(_threads.values())
    for thread in threads:
        thread.join(max(0.0, due_at - time.monotonic()))


def _run_in_thread(pull_id: str) -> None:
    try:
        run_pull(pull_id)
    except DatabaseError as error:
        # Its heartbeat stands still, so that it is taken up again.
        logger.warning("pull %s: the database is not reachable: %s", pull_id, error)
    except Exception:
        logger.exception("pull %s failed", pull_id)
    finally:
        connection.close()
        with _lock:
            del _threads[pull_id]


def run_pull(pull_id: UUID | str, *, retry_seconds: tuple[float, ...] = RETRY_SECONDS) -> None:
    """Claim a pull that waits, and let Ollama fetch the model. A second call for the same one does nothing."""
    lease = claim_pull(pull_id)
    if lease is None:
        return
    following = _Following(lease, retry_seconds)
    try:
        following.run()
    except PullLostError:
        if not finish_cancelled_pull(following.lease):
            logger.warning("pull %s is another worker's now", pull_id)
    except _LeavingError:
        give_back_pull(following.lease)


class _Following:
    """One pull from its claim to its end.

    Attributes:
        lease: as it was last renewed.
    """

    def __init__(self, lease: PullLease, retry_seconds: tuple[float, ...]) -> None:
        self.lease = lease
        self._retry_seconds = retry_seconds

    def run(self) -> None:
        waits = list(self._retry_seconds)
        most_completed = 0
        while True:
            pull = self._follow()
            if pull.error is None:
                self._complete(pull)
                return
            failure = failure_of(pull.error)
            if pull.progress.completed_bytes > most_completed:
                most_completed = pull.progress.completed_bytes
                waits = list(self._retry_seconds)
            if failure.code not in TRIED_AGAIN or not waits:
                logger.warning("pull of %s failed: %s", self.lease.name, pull.error)
                fail_pull(self.lease, failure)
                return
            logger.info("pull of %s broken off, tried again: %s", self.lease.name, pull.error)
            self._renew_until(pull, threading.Event().wait, waits.pop(0))

    def _follow(self) -> Pull:
        """One try, until it has ended."""
        pull = Pull(self.lease.name)
        pull.start()
        try:
            self._renew_until(pull, pull.wait_ended)
        finally:
            pull.close()
        return pull

    def _renew_until(
        self, pull: Pull, wait: Callable[[float], bool], seconds: float = float("inf")
    ) -> None:
        """Renew the lease until `wait` says that it is over, or for so long."""
        due_at = time.monotonic() + seconds
        while (left := due_at - time.monotonic()) > 0 and not wait(min(RENEWAL_SECONDS, left)):
            if is_draining():
                raise _LeavingError
            self.lease = renew_pull(self.lease, pull.progress)

    def _complete(self, pull: Pull) -> None:
        # The list comes first: who sees the end of the pull sees the model.
        sync_quietly()
        is_offered = any(ollama_name(row) == self.lease.name for row in _enabled_rows())
        complete_pull(self.lease, pull.progress, is_offered=is_offered)
        logger.info("pull of %s completed", self.lease.name)


def _enabled_rows() -> list[BaseModel]:
    return list(BaseModel.objects.filter(source=BaseModel.Source.OLLAMA, is_enabled=True))
