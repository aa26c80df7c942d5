"""The right of one worker to write to one running job, and what it writes."""

from __future__ import annotations

import enum
import uuid
from dataclasses import dataclass, field
from typing import Any

from training.models import MetricPoint, TrainingJob, TrainingJobQuerySet


class Request(enum.StrEnum):
    """What the person asked of a running job; a cancel wins over a stop."""

    NONE = ""
    CANCEL = "cancel"
    STOP = "stop"


class LeaseLostError(Exception):
    """The job is not this worker's any more: stop, and write nothing."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right of one worker to write to one running job."""

    job_id: uuid.UUID
    token: uuid.UUID
    attempt: int


@dataclass(slots=True)
class Progress:
    """What a worker has to report since its last write.

    Attributes:
        device_seconds: for which the device worked on the job since the last report of them.
    """

    fields: dict[str, Any] = field(default_factory=dict)
    points: list[MetricPoint] = field(default_factory=list)
    events: list[tuple[str, Any]] = field(default_factory=list)
    device_seconds: float = 0.0


def held(lease: Lease) -> TrainingJobQuerySet:
    """The job's row while the lease is good, else no row."""
    return TrainingJob.objects.filter(
        pk=lease.job_id, lease_token=lease.token, status=TrainingJob.Status.RUNNING
    )
