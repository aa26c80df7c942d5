"""API calls about measurements on hidden questions: numbers only."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Field, Schema, Status

from common.api import ERROR_RESPONSES, current_user
from courses.api.router import router
from courses.models import HiddenMeasurement
from courses.selectors.measuring import allowance_of, measurements_of
from courses.selectors.pinned import reading_language
from courses.selectors.progress import get_enrolment
from courses.services.measuring import measure
from courses.wording.measured import hidden_failure_sentence


class MeasurementInput(Schema):
    job_id: UUID = Field(
        description="A completed job of the caller's, started since the course began"
    )


class MeasurementSchema(Schema):
    """How a job does on the hidden questions; the numbers are None until it is measured."""

    id: UUID
    job_id: UUID | None
    job_name: str
    status: str = Field(description="pending, running, completed or failed")
    question_count: int
    language: str
    tuned_loss: float | None = Field(description="Nats per token, mean over the questions")
    base_loss: float | None
    gain: float | None = Field(description="Better than the base model by so many nats")
    gain_low: float | None = Field(description="The true gain probably lies between this")
    gain_high: float | None = Field(description="and this")
    error: str | None
    created_at: datetime
    completed_at: datetime | None


class MeasurementsSchema(Schema):
    measurements: list[MeasurementSchema]
    left: int = Field(description="How many may still be asked for")
    next_at: datetime | None = Field(
        description="When the next one is possible, while none is left"
    )


@router.get(
    "/courses/{slug:slug}/hidden-measurements",
    response={200: MeasurementsSchema} | ERROR_RESPONSES,
    summary="The caller's measurements on the hidden questions of a course",
)
def list_measurements(request: HttpRequest, slug: str) -> dict[str, Any]:
    enrolment = get_enrolment(current_user(request), slug)
    allowance = allowance_of(enrolment)
    return {
        "measurements": [_measurement(row) for row in measurements_of(enrolment)],
        "left": allowance.left,
        "next_at": allowance.next_at,
    }


@router.post(
    "/courses/{slug:slug}/steps/{slug:key}/hidden-measurements",
    response={202: MeasurementSchema, 200: MeasurementSchema} | ERROR_RESPONSES,
    summary="Measure a job on the hidden questions of a course",
)
def create_measurement(
    request: HttpRequest, slug: str, key: str, data: MeasurementInput
) -> Status[dict[str, Any]]:
    """200 where the job is measured already, or is being measured. 429 when all of the day are used up."""
    enrolment = get_enrolment(current_user(request), slug)
    language = reading_language()
    row, is_new = measure(enrolment, key, data.job_id, language=language)
    return Status(202 if is_new else 200, _measurement(row))


def _measurement(row: HiddenMeasurement) -> dict[str, Any]:
    is_failed = row.status == HiddenMeasurement.Status.FAILED
    return {
        "id": row.pk,
        "job_id": row.job_id,
        "job_name": row.job_name,
        "status": row.status,
        "question_count": row.question_count,
        "language": row.language,
        "tuned_loss": row.tuned_loss,
        "base_loss": row.base_loss,
        "gain": row.gain,
        "gain_low": row.gain_low,
        "gain_high": row.gain_high,
        "error": hidden_failure_sentence(row.job_name, row.error_code, row.error_params)
        if is_failed
        else None,
        "created_at": row.created_at,
        "completed_at": row.completed_at,
    }
