"""API calls with which a person shares the adapter of a job with their classes."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest
from ninja import Schema, Status
from pydantic import ConfigDict

from common.api import ERROR_RESPONSES, current_user
from training import selectors
from training.api.router import router
from training.models import TrainingJob
from training.sharing.changing import set_share
from training.sharing.page import class_choices


class ShareRequest(Schema):
    """What the class may do from now on; what is left out it may not."""

    model_config = ConfigDict(extra="forbid")

    is_talkable: bool = False
    is_in_arena: bool = False


class ShareSchema(Schema):
    """One class of the owner, and what it may do with the adapter."""

    cohort_id: UUID
    cohort_name: str
    is_talkable: bool
    is_in_arena: bool


@router.get(
    "/jobs/{uuid:job_id}/shares",
    response={200: list[ShareSchema]} | ERROR_RESPONSES,
    summary="What your classes may do with the adapter of a job",
)
def list_shares(request: HttpRequest, job_id: UUID) -> list[ShareSchema]:
    """Every class that you are in, whether or not the adapter is shared there."""
    return _shares(selectors.get_job(current_user(request), job_id))


@router.put(
    "/jobs/{uuid:job_id}/shares/{uuid:cohort_id}",
    response={200: list[ShareSchema]} | ERROR_RESPONSES,
    summary="Share the adapter of a job with a class",
)
def put_share(
    request: HttpRequest, job_id: UUID, cohort_id: UUID, body: ShareRequest
) -> list[ShareSchema]:
    """Classmates may talk to it, or meet it in blind duels; others can draw out what it learned from its dataset."""
    user = current_user(request)
    job = selectors.get_job(user, job_id)
    set_share(user, job, cohort_id, is_talkable=body.is_talkable, is_in_arena=body.is_in_arena)
    return _shares(job)


@router.delete(
    "/jobs/{uuid:job_id}/shares/{uuid:cohort_id}",
    response={204: None} | ERROR_RESPONSES,
    summary="End the sharing of an adapter with a class",
)
def delete_share(request: HttpRequest, job_id: UUID, cohort_id: UUID) -> Status[None]:
    user = current_user(request)
    job = selectors.get_job(user, job_id)
    set_share(user, job, cohort_id, is_talkable=False, is_in_arena=False)
    return Status(204, None)


def _shares(job: TrainingJob) -> list[ShareSchema]:
    return [ShareSchema.from_orm(choice) for choice in class_choices(job)]
