"""Legal state changes of a pull. Queues nothing.

pending -> running -> completed | failed | cancelled; pending -> cancelled; running -> pending when a worker gives it
back or falls silent. Whoever works on a pull knows when it was last renewed: a write that names another moment changes
nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils import timezone

from modelhub.models import ModelPull
from modelhub.ollama.pulling import PullProgress
from modelhub.pulling_outcome import PullFailure

HEARTBEAT = timedelta(seconds=30)
"""A worker renews its pull every second; this long without a word means that it is gone."""
POKE_GRACE = timedelta(seconds=3)
KEPT_FOR = timedelta(days=90)
"""An ended pull: who had which model fetched, and why it failed."""
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)

Status = ModelPull.Status
ACTIVE = (Status.PENDING, Status.RUNNING)
NOT_OFFERED = "not_offered"
"""Beside a completed pull: the model is there, but nobody can talk to it."""


class PullLostError(Exception):
    """The pull is not this worker's any more, or its reader wants no more: stop."""


@dataclass(frozen=True, slots=True)
class PullLease:
    """The right of one worker to write to one pull."""

    pull_id: UUID
    name: str
    renewed_at: datetime


def waiting_pulls() -> list[UUID]:
    """Pulls that wait longer than a poke takes, and those whose worker fell silent; oldest first."""
    now = timezone.now()
    unpoked = Q(status=Status.PENDING, renewed_at__lt=now - POKE_GRACE)
    orphaned = Q(status=Status.RUNNING, renewed_at__lt=now - HEARTBEAT)
    rows = ModelPull.objects.filter(unpoked | orphaned).order_by("created_at")
    return list(rows.values_list("pk", flat=True))


def claim_pull(pull_id: UUID | str) -> PullLease | None:
    """Take a pull that waits, or whose worker fell silent; None when it was taken, stopped or deleted."""
    now = timezone.now()
    free = Q(status=Status.PENDING) | Q(status=Status.RUNNING, renewed_at__lt=now - HEARTBEAT)
    if not ModelPull.objects.filter(free, pk=pull_id).update(status=Status.RUNNING, renewed_at=now):
        return None
    name = ModelPull.objects.values_list("name", flat=True).filter(pk=pull_id).first()
    return PullLease(UUID(str(pull_id)), name, now) if name is not None else None


def renew_pull(lease: PullLease, progress: PullProgress) -> PullLease:
    """Write how far it is.

    Raises:
        PullLostError: somebody asked to stop it, or it is another worker's.
    """
    now = max(timezone.now(), lease.renewed_at + timedelta(microseconds=1))
    wanted = _held(lease).filter(is_cancel_requested=False)
    if not wanted.update(renewed_at=now, **_told(progress)):
        raise PullLostError
    return replace(lease, renewed_at=now)


def complete_pull(lease: PullLease, progress: PullProgress, *, is_offered: bool) -> None:
    """
    Args:
        is_offered: whether people can talk to it.
    """
    code = "" if is_offered else NOT_OFFERED
    _end(lease, Status.COMPLETED, error_code=code, **_told(progress))


def fail_pull(lease: PullLease, failure: PullFailure) -> None:
    _end(lease, Status.FAILED, error_code=failure.code, error_params=failure.params)


def finish_cancelled_pull(lease: PullLease) -> bool:
    """Whether somebody had asked for it."""
    asked = _held(lease).filter(is_cancel_requested=True)
    return bool(asked.update(status=Status.CANCELLED, completed_at=timezone.now()))


def give_back_pull(lease: PullLease) -> None:
    """The worker stops: another one may take it at once."""
    _held(lease).update(status=Status.PENDING, renewed_at=LONG_AGO)


def request_pull_cancel(pull_id: UUID) -> bool:
    """Stop a pull: a waiting one at once, a running one within a second; whether there was anything to stop."""
    rows = ModelPull.objects.filter(pk=pull_id)
    if rows.filter(status=Status.PENDING).update(
        status=Status.CANCELLED, is_cancel_requested=True, completed_at=timezone.now()
    ):
        return True
    return bool(rows.filter(status=Status.RUNNING).update(is_cancel_requested=True))


def purge_pulls() -> int:
    """Delete pulls that ended long ago; the models stay. Returns how many. Twice does no more than once."""
    over = ModelPull.objects.exclude(status__in=ACTIVE)
    deleted, _by_model = over.filter(completed_at__lt=timezone.now() - KEPT_FOR).delete()
    return deleted


def _held(lease: PullLease) -> QuerySet[ModelPull]:
    return ModelPull.objects.filter(
        pk=lease.pull_id, status=Status.RUNNING, renewed_at=lease.renewed_at
    )


def _end(lease: PullLease, status: ModelPull.Status, **fields: Any) -> None:
    _held(lease).update(status=status, completed_at=timezone.now(), **fields)


def _told(progress: PullProgress) -> dict[str, Any]:
    return {
        "detail": progress.status,
        "total_bytes": progress.total_bytes,
        "completed_bytes": progress.completed_bytes,
    }
