"""Where every waiting job stands: its position, its expected start and why it waits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from django.conf import settings

from training.models import TrainingJob
from training.queue.forecast import Expectation, forecast
from training.queue.policy import Reason
from training.queue.reading import read_devices, read_line


@dataclass(frozen=True, slots=True)
class ExpectedStart:
    """A range and no promise: later jobs may go first, others may be cancelled."""

    earliest: datetime
    latest: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """What can be told of a waiting job.

    Attributes:
        position: 1 for the next one; None while it is held, or its class is paused.
        until: when the reason ends, where that is known.
        expected_start: None when nothing can be told.
    """

    position: int | None
    reason: Reason
    until: datetime | None = None
    expected_start: ExpectedStart | None = None


Standings = dict[UUID, Standing]


def queue_standings() -> Standings:
    """Every waiting job, the next one first, and at the end those without a position."""
    devices = read_devices()
    line = read_line(has_gpu=any(device.has_gpu for device in devices))
    found = forecast(line, devices, settings.JOBS_PER_DEVICE)
    standings = {UUID(str(job_id)): _standing(told) for job_id, told in found.items()}
    return dict(sorted(standings.items(), key=lambda item: item[1].position or len(standings) + 1))


def standing_of(job: TrainingJob) -> Standing | None:
    """None when the job does not wait. For several jobs, read all standings once."""
    if job.status != TrainingJob.Status.PENDING:
        return None
    return queue_standings().get(job.pk)


def _standing(told: Expectation) -> Standing:
    start = None
    if told.earliest is not None and told.latest is not None:
        start = ExpectedStart(_moment(told.earliest), _moment(told.latest))
    until = None if told.until is None else _moment(told.until)
    return Standing(told.position, told.reason, until, start)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
