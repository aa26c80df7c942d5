"""The queue in answers of the API: one forecast for all jobs of an answer."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ninja import Field, Schema

from training.models import TrainingJob
from training.queue.policy import Reason
from training.queue.standing import Standing, Standings, queue_standings
from training.queue.wording import reason_sentence


class ExpectedStartSchema(Schema):
    earliest: datetime
    latest: datetime


class WaitReasonSchema(Schema):
    code: Reason
    message: str
    until: datetime | None = Field(description="When the reason ends, where that is known")

    @classmethod
    def of(cls, standing: Standing) -> WaitReasonSchema:
        return cls(code=standing.reason, message=reason_sentence(standing), until=standing.until)


def shared_standing(job: TrainingJob, context: Any) -> Standing | None:
    """The standing of a waiting job; all jobs of one request share one forecast, all fields of a job otherwise."""
    if job.status != TrainingJob.Status.PENDING:
        return None
    owner = (context or {}).get("request") or job
    standings: Standings | None = getattr(owner, "_queue_standings", None)
    if standings is None or job.pk not in standings:
        standings = queue_standings()
        setattr(owner, "_queue_standings", standings)  # noqa: B010, a request has no such attribute of its own
    return standings.get(job.pk)
