"""What is told of a job before it starts, over the same forecast as the page."""

from __future__ import annotations

from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Query

from common.api import ERROR_RESPONSES, current_user
from training.api.jobs import job_order
from training.api.router import router
from training.preflight.answer import estimate_answer
from training.preflight.draft import Draft
from training.schemas import EstimateSchema, JobRequest
from training.services.ordering import new_job


@router.post(
    "/estimate",
    response={200: EstimateSchema} | ERROR_RESPONSES,
    summary="Steps, time and memory of a job before it starts",
)
def estimate_job(
    request: HttpRequest,
    body: JobRequest,
    fit_minutes: Annotated[
        float | None,
        Query(None, gt=0, le=1440, description="Propose settings that take no longer than this"),
    ],
) -> dict[str, Any]:
    """Nothing is queued. The same faults are told as at the start."""
    job = new_job(current_user(request), job_order(body))
    return estimate_answer(Draft.of(job), fit_minutes)
