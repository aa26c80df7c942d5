"""API calls of the queue: who waits, and what instructors change."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.http import HttpRequest
from ninja import Field, Schema, Status
from pydantic import ConfigDict

from common.api import ERROR_RESPONSES, current_user, paginated
from training.api.router import router
from training.queue.answers import ExpectedStartSchema, WaitReasonSchema
from training.queue.board import QueueRow, known_rows
from training.services import queueing
from training.services.queueing import Place
from training.worker_board import Reader


class QueueEntrySchema(Schema):
    """A waiting job: yours, or one of a class that you lead."""

    job_id: UUID = Field(alias="job.pk")
    name: str = Field(alias="job.name")
    owner: str
    is_own: bool
    cohort_id: UUID | None = Field(alias="job.cohort_id")
    queue_position: int | None = Field(
        alias="standing.position",
        description="Among all waiting jobs, 1 is next; null while it is held or its class is paused",
    )
    expected_start: ExpectedStartSchema | None = Field(
        alias="standing.expected_start",
        description="As things stand; null when nothing can be told",
    )
    wait_reason: WaitReasonSchema
    held_at: datetime | None = Field(alias="job.held_at")
    priority: int = Field(alias="job.priority", description="0, unless an instructor moved it")

    @staticmethod
    def resolve_owner(row: QueueRow) -> str:
        return str(row.job.owner) if row.job else ""

    @staticmethod
    def resolve_wait_reason(row: QueueRow) -> WaitReasonSchema:
        return WaitReasonSchema.of(row.standing)


class MoveRequest(Schema):
    model_config = ConfigDict(extra="forbid")

    to: Place = Field(
        description="front: before all others; back: behind all others; fair: back in its own place"
    )


@router.get(
    "/queue",
    response={200: list[QueueEntrySchema]} | ERROR_RESPONSES,
    summary="Waiting jobs, the next one first",
)
@paginated
def list_queue(request: HttpRequest) -> list[QueueRow]:
    """Your own, and those of classes that you lead."""
    return known_rows(Reader.of(current_user(request)))


@router.post(
    "/jobs/{uuid:job_id}/hold",
    response={204: None} | ERROR_RESPONSES,
    summary="Hold a waiting job (instructors)",
)
def hold_job(request: HttpRequest, job_id: UUID) -> Status[None]:
    user = current_user(request)
    queueing.hold_job(queueing.get_led_job(user, job_id), by=user)
    return Status(204, None)


@router.post(
    "/jobs/{uuid:job_id}/release",
    response={204: None} | ERROR_RESPONSES,
    summary="Release a held job (instructors)",
)
def release_job(request: HttpRequest, job_id: UUID) -> Status[None]:
    user = current_user(request)
    queueing.release_job(queueing.get_led_job(user, job_id), by=user)
    return Status(204, None)


@router.post(
    "/jobs/{uuid:job_id}/move",
    response={204: None} | ERROR_RESPONSES,
    summary="Move a waiting job in the queue (instructors)",
)
def move_job(request: HttpRequest, job_id: UUID, body: MoveRequest) -> Status[None]:
    user = current_user(request)
    queueing.move_job(queueing.get_led_job(user, job_id), body.to, by=user)
    return Status(204, None)
