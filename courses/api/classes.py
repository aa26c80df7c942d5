"""API calls about a class, for those who lead it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Schema

from common.api import ERROR_RESPONSES, current_user
from courses.api.router import router
from courses.selectors.cohorts import led_cohort, members_standing
from courses.selectors.progress import CourseStanding


class MemberSchema(Schema):
    """One student of a cohort in one course."""

    user_id: int
    name: str
    course: str
    percent: int
    current_step: str | None
    states: dict[str, str]
    completed_at: datetime | None


@router.get(
    "/cohorts/{uuid:cohort_id}/progress",
    response={200: list[MemberSchema]} | ERROR_RESPONSES,
    summary="How far the students of a cohort are, for those who lead it",
)
def cohort_progress(request: HttpRequest, cohort_id: UUID) -> list[dict[str, Any]]:
    cohort = led_cohort(current_user(request), cohort_id)
    return [_member(standing) for standing in members_standing(cohort)]


def _member(standing: CourseStanding) -> dict[str, Any]:
    enrolment, following = standing.enrolment, standing.next_step
    return {
        "user_id": enrolment.user_id,
        "name": str(enrolment.user),
        "course": enrolment.course.slug,
        "percent": standing.percent,
        "current_step": following.step.key if following else None,
        "states": {item.step.key: item.standing.value for item in standing.steps},
        "completed_at": enrolment.completed_at,
    }
