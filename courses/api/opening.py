"""API calls with which those who lead a class open a step for all, and close it again."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest
from ninja import Field, Schema, Status

from common.api import ERROR_RESPONSES, current_user
from courses.api.router import router
from courses.selectors.class_content import taken_course
from courses.selectors.cohorts import led_cohort
from courses.services.opening import Closing, close_step, open_step


class ClosingSchema(Schema):
    """What closing a step did; nobody's progress falls."""

    kept: int = Field(description="Students who have done it, and keep that")
    locked: int = Field(description="Students who were at it and finish the steps before it first")


@router.put(
    "/cohorts/{uuid:cohort_id}/courses/{slug:slug}/steps/{slug:key}/open",
    response={204: None} | ERROR_RESPONSES,
    summary="Open a step for the whole class, whatever comes before it",
)
def put_open_step(request: HttpRequest, cohort_id: UUID, slug: str, key: str) -> Status[None]:
    """204 as well where it was open. Students for whom it was locked are told."""
    user = current_user(request)
    open_step(user, taken_course(led_cohort(user, cohort_id), slug), key)
    return Status(204, None)


@router.delete(
    "/cohorts/{uuid:cohort_id}/courses/{slug:slug}/steps/{slug:key}/open",
    response={200: ClosingSchema} | ERROR_RESPONSES,
    summary="Close a step again that was open for the whole class",
)
def delete_open_step(request: HttpRequest, cohort_id: UUID, slug: str, key: str) -> Closing:
    """Zeros where it was not open."""
    user = current_user(request)
    closing = close_step(user, taken_course(led_cohort(user, cohort_id), slug), key)
    return closing or Closing(kept=0, locked=0)
