"""Whether a worker fits this installation: the same version, the same storage, the same time.

A worker checks itself before it claims anything. One that does not fit is refused: it keeps its row, says why, tries
again and starts to work when it was mended.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable

from django.conf import settings
from django.db import connection
from django.db.models.functions import Now

from modelhub.lifecycle import Refusal, note_clock_skew, refuse_worker
from modelhub.models import Installation, Worker
from modelhub.sentences import refusal_sentence
from modelhub.storage_proof import (
    StorageProof,
    StorageRenamesError,
    StorageUnusableError,
    read_proof,
    round_trip,
)

logger = logging.getLogger(__name__)

MAX_CLOCK_SKEW_SECONDS = 5.0
"""The channel layer and Celery compare wall clocks of different hosts."""

CLOCK_READINGS = 3
REFUSED_RECHECK_SECONDS = 30.0
ADMITTED_RECHECK_SECONDS = 300.0

_may_claim = True


def may_claim() -> bool:
    """Whether the worker of this process may take new work: it fits, and nobody has paused it."""
    return _may_claim


class Registration:
    """One worker's standing, asked before each claim; until the first check succeeds nothing is claimed."""

    def __init__(self, worker_name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._worker_name = worker_name
        self._clock = clock
        self._due_at: float | None = None
        self._refusal: Refusal | None = None

    def is_admitted(self) -> bool:
        """Check when it is time to, and write a refusal with its heartbeat.

        A paused worker is admitted all the same: it finishes what it holds. `may_claim` knows both.
        """
        global _may_claim
        if self._due_at is None:
            _may_claim = False
        if self._due_at is None or self._clock() >= self._due_at:
            self._check()
        if self._refusal is not None:
            _may_claim = False
            refuse_worker(self._worker_name, self._refusal)
            return False
        paused = Worker.objects.filter(name=self._worker_name, is_paused=True)
        _may_claim = not paused.exists()
        return True

    def _check(self) -> None:
        refusal = check_fit(self._worker_name)
        if refusal is not None and refusal != self._refusal:
            logger.error(refusal_sentence(refusal.code, refusal.params))
        elif refusal is None and self._refusal is not None:
            logger.info("worker %s fits now and starts to work", self._worker_name)
        self._refusal = refusal
        self._due_at = self._clock() + (
            ADMITTED_RECHECK_SECONDS if refusal is None else REFUSED_RECHECK_SECONDS
        )


def check_fit(worker_name: str) -> Refusal | None:
    """Why this process can not work for the web server of its database, or None when it can.

    A base model that is missing here is no reason: a job that needs it is told so.
    """
    installation = Installation.objects.first()
    if installation is None:
        return Refusal("no_installation")
    skew_seconds = clock_skew_seconds()
    note_clock_skew(worker_name, skew_seconds)
    return (
        _check_version(installation)
        or check_clock(skew_seconds)
        or _check_storage(installation, worker_name)
    )


def _check_version(installation: Installation) -> Refusal | None:
    if installation.version == settings.VERSION:
        return None
    return Refusal("other_version", {"own": settings.VERSION, "wanted": installation.version})


def check_clock(skew_seconds: float) -> Refusal | None:
    if abs(skew_seconds) <= MAX_CLOCK_SKEW_SECONDS:
        return None
    return Refusal("clock_skew", {"seconds": round(skew_seconds, 1)})


def clock_skew_seconds(clock: Callable[[], float] = time.time) -> float:
    """How far this host's clock is ahead of the database's; of SQLite it is the same clock."""
    if connection.vendor == "sqlite":
        return 0.0
    return quickest_reading(_database_clock, clock)


def quickest_reading(read_other: Callable[[], float], clock: Callable[[], float]) -> float:
    """How far `clock` is ahead of the other one.

    The other was read somewhere within the round trip, so half of it is taken off; the shortest trip errs least.
    """
    best_trip, skew = float("inf"), 0.0
    for _reading in range(CLOCK_READINGS):
        before = clock()
        other = read_other()
        trip = clock() - before
        if trip < best_trip:
            best_trip, skew = trip, before + trip / 2 - other
    return skew


def _database_clock() -> float:
    return Installation.objects.annotate(now=Now()).values_list("now", flat=True)[0].timestamp()


def _check_storage(installation: Installation, worker_name: str) -> Refusal | None:
    try:
        proof = read_proof()
        if proof is None:
            return Refusal("no_storage_proof", {"storage": storage_words()})
        if proof.nonce != installation.storage_nonce:
            return Refusal("other_storage", {"storage": storage_words()})
        if refusal := _check_database_host(proof):
            return refusal
        round_trip(worker_name)
    except StorageRenamesError:
        return Refusal("storage_renames", {"storage": storage_words()})
    except StorageUnusableError as error:
        return Refusal("storage_unusable", {"reason": str(error), "storage": storage_words()})
    return None


def _check_database_host(proof: StorageProof) -> Refusal | None:
    """A SQLite file named by DATABASE_URL may lie on a network drive, where its locks do not hold."""
    # Without DATABASE_URL the file is in the data folder, whose lock names the host: the command line looks at it.
    is_named_file = settings.DATABASE_URL and connection.vendor == "sqlite"
    if is_named_file and proof.host != socket.gethostname():
        return Refusal("sqlite_elsewhere", {"host": proof.host})
    return None


def storage_words() -> str:
    """Where this process keeps files, for the person who has to compare it with the web server."""
    backend = settings.STORAGES["default"]["BACKEND"]
    if backend == "common.storage.AtomicFileSystemStorage":
        return str(settings.MEDIA_ROOT)
    options = settings.STORAGES["default"].get("OPTIONS", {})
    place = options.get("bucket_name") or options.get("location") or ""
    return f"{backend} {place}".strip()
