"""Open a step for a whole class, before those that it waits for are done, and close it again."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.auditing import note_act
from accounts.models import User
from accounts.roles import check_leader
from common.errors import NotFoundError
from courses.events import class_changed
from courses.lifecycle.hands import close_request, standing_request
from courses.models import CohortCourse, Enrolment, HelpRequest
from courses.selectors.content import content_of
from courses.selectors.pinned import class_enrolments
from courses.selectors.progress import CourseStanding, fold
from courses.services.telling import tell_step_opened, withdraw_step_opened


@dataclass(frozen=True, slots=True)
class Closing:
    """What closing a step did to the students of the class; for all others of them nothing changed.

    Attributes:
        kept: those who have done it, and keep that.
        locked: those who were at it and have to finish the steps before it first; their work at it stays.
    """

    kept: int
    locked: int


@transaction.atomic
def open_step(actor: User, pinned: CohortCourse, step_key: str) -> bool:
    """Whether it was not open for all before.

    Raises:
        ForbiddenError: the actor does not lead the class.
        NotFoundError: the course has no such step.
    """
    row = _locked(actor, pinned, step_key)
    if step_key in row.opened_steps:
        return False
    courses = _standings(row)
    _write(actor, row, "step_opened", step_key, [*row.opened_steps, step_key])
    tell_step_opened(
        row.course.slug,
        {
            course.enrolment: item.step
            for course in courses
            if (item := course.find(step_key)) is not None and not item.is_open
        },
    )
    return True


@transaction.atomic
def close_step(actor: User, pinned: CohortCourse, step_key: str) -> Closing | None:
    """The step waits for those before it again. Nobody's progress falls; None where it was not open for all.

    Raises:
        ForbiddenError: the actor does not lead the class.
        NotFoundError: the course has no such step.
    """
    row = _locked(actor, pinned, step_key)
    if step_key not in row.opened_steps:
        return None
    opened = [key for key in row.opened_steps if key != step_key]
    _write(actor, row, "step_closed", step_key, opened)
    return _closing(row, step_key)


def _locked(actor: User, pinned: CohortCourse, step_key: str) -> CohortCourse:
    check_leader(actor, pinned.cohort)
    rows = CohortCourse.objects.select_for_update(of=("self",)).select_related("cohort", "course")
    row = rows.get(pk=pinned.pk)
    if content_of(row.version_id).step(step_key) is None:
        raise NotFoundError(_("This course has no such step. It may have been renamed."))
    return row


def _write(
    actor: User, row: CohortCourse, kind: str, step_key: str, opened_steps: list[str]
) -> None:
    row.opened_steps = opened_steps
    row.save(update_fields=["opened_steps"])
    note_act(actor, kind, cohort=row.cohort, course=row.course.slug, step=step_key)
    class_changed(row.cohort_id)


def _closing(row: CohortCourse, step_key: str) -> Closing:
    kept = locked = 0
    shut: list[UUID] = []
    for course in _standings(row):
        item = course.find(step_key)
        if item is None:
            continue
        kept += item.is_done
        if not item.is_open:
            shut.append(course.enrolment.pk)
            if item.progress is not None:
                locked += 1
                _lower_hand(course.enrolment, step_key)
    withdraw_step_opened(shut, step_key)
    return Closing(kept, locked)


def _standings(row: CohortCourse) -> list[CourseStanding]:
    """Of the students of the class who have begun the course; in two queries."""
    enrolments = class_enrolments(row.cohort).filter(course=row.course).select_related("user")
    return [
        fold(
            enrolment,
            content_of(enrolment.version_id),
            {step.step_key: step for step in enrolment.steps.all()},
            row.opened_steps,
        )
        for enrolment in enrolments.prefetch_related("steps")
    ]


def _lower_hand(enrolment: Enrolment, step_key: str) -> None:
    """The student can not reach the step any more, so neither ask there nor take it back."""
    found = standing_request(enrolment)
    if found is not None and found.step_key == step_key:
        close_request(found, HelpRequest.State.CANCELLED)
