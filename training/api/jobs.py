"""API calls about jobs and their progress, and the adapter's download."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Header, Query, Status

from common.api import ERROR_RESPONSES, current_user, paginated
from training import selectors
from training.api.router import router
from training.downloads import ArchiveResponse, adapter_response
from training.models import TrainingJob
from training.notebook.filters import JobFilters, clean_text
from training.notebook.limits import MAX_TAG_CHARACTERS
from training.schemas import (
    JobRequest,
    JobSchema,
    ProgressSchema,
    progress_answer,
)
from training.services import ending
from training.services.creating import create_training_job
from training.services.ordering import JobOrder

# Steps are counted in 32 bits; a larger number would be an error of the database instead of an empty list.
MAX_STEP = 2**31 - 1


def job_order(body: JobRequest) -> JobOrder:
    return JobOrder(
        name=body.name,
        base_model_name=body.model_name,
        dataset_id=body.dataset_id,
        lora_config=body.lora_config,
        training_config=body.training_config,
        eval_dataset_id=body.eval_dataset_id,
        sample_prompts=body.sample_prompts,
        cohort_id=body.cohort_id,
        prediction=body.prediction,
        tags=body.tags,
    )


@router.post("/jobs", response={201: JobSchema} | ERROR_RESPONSES, summary="Start a training job")
def create_job(
    request: HttpRequest,
    body: JobRequest,
    idempotency_key: Annotated[str, Header("", alias="Idempotency-Key")],
) -> Status[TrainingJob]:
    job = create_training_job(
        current_user(request), job_order(body), idempotency_key=idempotency_key
    )
    return Status(201, job)


@router.get(
    "/jobs", response={200: list[JobSchema]} | ERROR_RESPONSES, summary="Your jobs, newest first"
)
@paginated
def list_jobs(
    request: HttpRequest,
    status: Annotated[TrainingJob.Status | None, Query(None)],
    tag: Annotated[str, Query("", max_length=MAX_TAG_CHARACTERS, description="Only with this tag")],
    starred: Annotated[bool | None, Query(None)],
    archived: Annotated[bool | None, Query(None, description="By default archived ones too")],
) -> QuerySet[TrainingJob]:
    filters = JobFilters(
        status=status or "",
        tag=clean_text(tag),
        is_starred=starred,
        is_archived=archived,
    )
    return filters.apply(selectors.jobs_visible_to(current_user(request)))


@router.get("/jobs/{uuid:job_id}", response={200: JobSchema} | ERROR_RESPONSES, summary="One job")
def get_job(request: HttpRequest, job_id: UUID) -> TrainingJob:
    return selectors.get_job(current_user(request), job_id)


@router.get(
    "/jobs/{uuid:job_id}/progress",
    response={200: ProgressSchema} | ERROR_RESPONSES,
    summary="Its curves",
)
def get_progress(
    request: HttpRequest, job_id: UUID, after_step: Annotated[int, Query(-1, ge=-1, le=MAX_STEP)]
) -> Any:
    job = selectors.get_job(current_user(request), job_id)
    return progress_answer(job, selectors.metric_points(job, after_step=after_step))


@router.post(
    "/jobs/{uuid:job_id}/cancel",
    response={202: JobSchema} | ERROR_RESPONSES,
    summary="Cancel a job",
)
def cancel_job(request: HttpRequest, job_id: UUID) -> Status[TrainingJob]:
    job = selectors.get_job(current_user(request), job_id)
    return Status(202, ending.cancel_training_job(job))


@router.post(
    "/jobs/{uuid:job_id}/stop",
    response={202: JobSchema} | ERROR_RESPONSES,
    summary="Stop a running job and keep its adapter",
)
def stop_job(request: HttpRequest, job_id: UUID) -> Status[TrainingJob]:
    job = selectors.get_job(current_user(request), job_id)
    return Status(202, ending.stop_training_job(job))


@router.post(
    "/jobs/{uuid:job_id}/resume",
    response={202: JobSchema} | ERROR_RESPONSES,
    summary="Let a job that failed or was cancelled go on",
    description="It goes on from its newest checkpoint, which is kept for a day; without one it begins anew.",
)
def resume_job(request: HttpRequest, job_id: UUID) -> Status[TrainingJob]:
    job = selectors.get_job(current_user(request), job_id)
    return Status(202, ending.resume_training_job(job))


@router.delete(
    "/jobs/{uuid:job_id}",
    response={204: None} | ERROR_RESPONSES,
    summary="Delete a job that is over",
)
def delete_job(request: HttpRequest, job_id: UUID) -> Status[None]:
    ending.delete_training_job(selectors.get_job(current_user(request), job_id))
    return Status(204, None)


@router.get(
    "/jobs/{uuid:job_id}/adapter", response=ERROR_RESPONSES, summary="The adapter as a zip file"
)
def get_adapter(request: HttpRequest, job_id: UUID) -> ArchiveResponse:
    return adapter_response(selectors.get_job(current_user(request), job_id))
