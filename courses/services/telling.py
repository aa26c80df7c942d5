"""What students are told of what was decided about them; each reads it in the language of the moment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from django.urls import reverse

from accounts.notifications import News, forget, notify_each, withdraw
from courses.catalogue.schema import Step
from courses.models import CohortCourse, Enrolment
from courses.selectors.class_time import zone_of
from courses.selectors.content import content_of

STEP_OPENED = "step_opened"


def step_subject(enrolment_id: UUID, step_key: str) -> str:
    """Of notifications about a step of a person's course."""
    return str(uuid5(enrolment_id, step_key))


def due_subject(cohort_course_id: UUID) -> str:
    """Of notifications about when a course of a class is due."""
    return f"due:{cohort_course_id}"


def step_titles(step: Step) -> dict[str, str]:
    return {language: text.title for language, text in step.texts.items()}


def tell_due(
    taken: CohortCourse, user_ids: Iterable[int], due_at: datetime | None, *, is_own: bool
) -> None:
    """
    Args:
        taken: with its course and cohort.
        due_at: None where there is no date any more.
        is_own: whether it holds for these students alone.
    """
    params: dict[str, Any] = {"titles": content_of(taken.version_id).about.title.model_dump()}
    if due_at is None:
        kind = "due_removed"
    else:
        kind = "due_own" if is_own else "due_changed"
        params |= {"at": due_at.isoformat(), "zone": str(zone_of(taken.cohort))}
    subject = due_subject(taken.pk)
    path = reverse("courses:course_detail", args=[taken.course.slug])
    notify_each(kind, [News(user_id, subject, params, path) for user_id in user_ids])


def forget_due(taken: CohortCourse) -> None:
    """The class takes the course no more, so it is due for nobody."""
    forget(subject=due_subject(taken.pk))


def tell_step_opened(slug: str, steps: Mapping[Enrolment, Step]) -> None:
    """
    Args:
        steps: for whom it is open now, and was not; each in the version of that student.
    """
    notify_each(STEP_OPENED, [_news(slug, enrolment, step) for enrolment, step in steps.items()])


def withdraw_step_opened(enrolment_ids: Iterable[UUID], step_key: str) -> None:
    """The step is out of reach again."""
    withdraw(kind=STEP_OPENED, subjects=[step_subject(pk, step_key) for pk in enrolment_ids])


def tell_exempted(enrolment: Enrolment, step: Step) -> None:
    notify_each("step_exempted", [_news(enrolment.course.slug, enrolment, step)])


def _news(slug: str, enrolment: Enrolment, step: Step) -> News:
    return News(
        enrolment.user_id,
        step_subject(enrolment.pk, step.key),
        {"titles": step_titles(step)},
        reverse("courses:step_detail", args=[slug, step.key]),
    )
