"""API calls about when the courses of a class open and are due, and about students' own dates."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Field, Path, Schema, Status
from pydantic import AwareDatetime, ConfigDict

from common.api import ERROR_RESPONSES, current_user
from courses.api.router import router
from courses.models import CohortCourse, DueOverride
from courses.selectors.class_content import taken_course
from courses.selectors.cohorts import led_cohort
from courses.selectors.due import own_dates
from courses.selectors.pinned import PinnedCourse, pinned_courses
from courses.services.class_content import set_dates
from courses.services.extending import extend_due, reset_due

UserId = Annotated[int, Path(ge=1, lt=2**63)]


class ClassCourseSchema(Schema):
    """A course that a class takes."""

    course: str
    title: str
    version: int
    release_at: datetime | None = Field(description="When it opens; null: at once")
    due_at: datetime | None = Field(description="For whom has no own date; null: never")
    opened_steps: list[str] = Field(description="Keys of the steps that are open for all")


class DatesBody(Schema):
    model_config = ConfigDict(extra="forbid")

    release_at: AwareDatetime | None
    due_at: AwareDatetime | None


class ExtensionBody(Schema):
    model_config = ConfigDict(extra="forbid")

    due_at: AwareDatetime
    reason: str = Field(description="Shown to those who lead the class; at most 200 characters")


class ExtensionSchema(Schema):
    """A student's own due date."""

    user_id: int
    name: str
    due_at: datetime
    reason: str
    granted_by: str | None
    created_at: datetime


@router.get(
    "/cohorts/{uuid:cohort_id}/courses",
    response={200: list[ClassCourseSchema]} | ERROR_RESPONSES,
    summary="The courses of a class with their dates, for those who lead it",
)
def class_courses(request: HttpRequest, cohort_id: UUID) -> list[dict[str, Any]]:
    return [_course(item) for item in pinned_courses(led_cohort(current_user(request), cohort_id))]


@router.put(
    "/cohorts/{uuid:cohort_id}/courses/{slug:slug}/dates",
    response={200: ClassCourseSchema} | ERROR_RESPONSES,
    summary="Set when a course opens and is due, for instructors of the class",
)
def put_dates(request: HttpRequest, cohort_id: UUID, slug: str, body: DatesBody) -> dict[str, Any]:
    """Students for whom the due date holds are told when it changes."""
    taken = _taken(request, cohort_id, slug)
    row = set_dates(current_user(request), taken, release_at=body.release_at, due_at=body.due_at)
    return _course(PinnedCourse.of(row))


@router.get(
    "/cohorts/{uuid:cohort_id}/courses/{slug:slug}/extensions",
    response={200: list[ExtensionSchema]} | ERROR_RESPONSES,
    summary="Students with a due date of their own, for those who lead the class",
)
def list_extensions(request: HttpRequest, cohort_id: UUID, slug: str) -> list[dict[str, Any]]:
    return [_extension(row) for row in own_dates(_taken(request, cohort_id, slug))]


@router.put(
    "/cohorts/{uuid:cohort_id}/courses/{slug:slug}/extensions/{user_id}",
    response={200: ExtensionSchema} | ERROR_RESPONSES,
    summary="Give a student a due date of their own",
)
def put_extension(
    request: HttpRequest, cohort_id: UUID, slug: str, user_id: UserId, body: ExtensionBody
) -> dict[str, Any]:
    """It takes the place of an earlier one. The student is told of a date, and never of its reason."""
    taken, user = _taken(request, cohort_id, slug), current_user(request)
    extend_due(user, taken.cohort, taken.pk, [user_id], due_at=body.due_at, reason=body.reason)
    return _extension(own_dates(taken).get(user=user_id))


@router.delete(
    "/cohorts/{uuid:cohort_id}/courses/{slug:slug}/extensions/{user_id}",
    response={204: None} | ERROR_RESPONSES,
    summary="Let the date of the class hold for a student again",
)
def delete_extension(
    request: HttpRequest, cohort_id: UUID, slug: str, user_id: UserId
) -> Status[None]:
    """204 as well where the student had no own date."""
    taken = _taken(request, cohort_id, slug)
    reset_due(current_user(request), taken.cohort, taken.pk, [user_id])
    return Status(204, None)


def _taken(request: HttpRequest, cohort_id: UUID, slug: str) -> CohortCourse:
    return taken_course(led_cohort(current_user(request), cohort_id), slug)


def _course(item: PinnedCourse) -> dict[str, Any]:
    row = item.row
    return {
        "course": item.slug,
        "title": item.title,
        "version": row.version.number,
        "release_at": row.release_at,
        "due_at": row.due_at,
        "opened_steps": row.opened_steps,
    }


def _extension(row: DueOverride) -> dict[str, Any]:
    return {
        "user_id": row.user_id,
        "name": str(row.user),
        "due_at": row.due_at,
        "reason": row.reason,
        "granted_by": str(row.granted_by) if row.granted_by else None,
        "created_at": row.created_at,
    }
