"""Legal state changes of a measurement on hidden questions. Queues nothing.

pending -> running -> completed | failed; running -> pending when a worker gives it back. One whose worker fell silent
is taken by the next. Whoever measures knows when its row was last renewed: a write that names another moment changes
nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import F, Q, QuerySet
from django.utils import timezone

from courses.models import HiddenMeasurement

HEARTBEAT = timedelta(seconds=30)
"""A worker renews its measurement every second; this long without a word means that it is gone."""
MAX_ATTEMPTS = 3
Status = HiddenMeasurement.Status


class MeasurementLostError(Exception):
    """The measurement is not this worker's any more: stop, and write nothing."""


@dataclass(frozen=True, slots=True)
class MeasurementLease:
    """The right of one worker to write to one measurement."""

    measurement_id: UUID
    renewed_at: datetime


def claim_next() -> MeasurementLease | None:
    """Take the measurement that waits longest; None when none waits.

    Nobody has two that are not over, so the oldest first is also one person after another.
    """
    while (found := _free().order_by("created_at").first()) is not None:
        rows = _free().filter(pk=found.pk)
        now = timezone.now()
        if rows.filter(attempts__gte=MAX_ATTEMPTS).update(
            status=Status.FAILED, error_code="worker_lost", completed_at=now
        ):
            continue
        if rows.update(status=Status.RUNNING, renewed_at=now, attempts=F("attempts") + 1):
            return MeasurementLease(found.pk, now)
    return None


def renew(lease: MeasurementLease) -> MeasurementLease:
    """
    Raises:
        MeasurementLostError: it is another worker's, or gone.
    """
    now = max(timezone.now(), lease.renewed_at + timedelta(microseconds=1))
    if not _held(lease).update(renewed_at=now):
        raise MeasurementLostError
    return replace(lease, renewed_at=now)


def complete(
    lease: MeasurementLease,
    *,
    tuned_loss: float,
    base_loss: float,
    gain_low: float,
    gain_high: float,
    digest: str,
    question_count: int,
) -> bool:
    """Whether it was this worker's to write."""
    return _end(
        lease,
        Status.COMPLETED,
        tuned_loss=tuned_loss,
        base_loss=base_loss,
        gain_low=gain_low,
        gain_high=gain_high,
        digest=digest,
        question_count=question_count,
    )


def fail(lease: MeasurementLease, code: str, params: dict[str, Any] | None = None) -> bool:
    """It does not count as a measurement of the day."""
    return _end(lease, Status.FAILED, error_code=code, error_params=params or {})


def give_back(lease: MeasurementLease) -> None:
    """The worker stops: another one may take it at once, and the attempt does not count."""
    _held(lease).update(status=Status.PENDING, renewed_at=None, attempts=F("attempts") - 1)


def _free() -> QuerySet[HiddenMeasurement]:
    silent = Q(status=Status.RUNNING, renewed_at__lt=timezone.now() - HEARTBEAT)
    return HiddenMeasurement.objects.filter(Q(status=Status.PENDING) | silent)


def _held(lease: MeasurementLease) -> QuerySet[HiddenMeasurement]:
    return HiddenMeasurement.objects.filter(
        pk=lease.measurement_id, status=Status.RUNNING, renewed_at=lease.renewed_at
    )


def _end(lease: MeasurementLease, status: HiddenMeasurement.Status, **fields: Any) -> bool:
    return bool(_held(lease).update(status=status, completed_at=timezone.now(), **fields))
