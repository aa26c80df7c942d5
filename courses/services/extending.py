"""Give single students another due date, and take it back."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.auditing import note_act
from accounts.models import Cohort, User
from accounts.roles import check_leader
from common.errors import ConflictError, Fault, InvalidInputError, NotFoundError
from courses.models import CohortCourse, DueOverride
from courses.selectors.roster import students_of
from courses.services.telling import tell_due

FARTHEST = timedelta(days=5 * 366)
REASON_CHARACTERS = DueOverride._meta.get_field("reason").max_length or 0


@transaction.atomic
def extend_due(
    actor: User,
    cohort: Cohort,
    cohort_course_id: UUID,
    user_ids: Collection[int],
    *,
    due_at: datetime,
    reason: str,
) -> list[User]:
    """The students' own due date from now on; whoever has one already gets this one instead.

    Args:
        due_at: with a time zone.

    Raises:
        ForbiddenError: actor does not lead the cohort.
        NotFoundError: the course is none of the cohort's.
        ConflictError: somebody is no student of the cohort.
        InvalidInputError: the date is naive, over or far away, or there is no reason.
    """
    check_leader(actor, cohort)
    course = _course(cohort, cohort_course_id)
    students = _students(cohort, user_ids)
    reason = reason.strip()
    _check(due_at, reason)
    own = DueOverride.objects.filter(cohort_course=course, due_at=due_at)
    known = set(own.values_list("user_id", flat=True))
    DueOverride.objects.bulk_create(
        [
            DueOverride(
                cohort_course=course, user=student, due_at=due_at, reason=reason, granted_by=actor
            )
            for student in students
        ],
        update_conflicts=True,
        unique_fields=["cohort_course", "user"],
        update_fields=["due_at", "reason", "granted_by", "created_at"],
    )
    for student in students:
        note_act(
            actor,
            "due_extended",
            cohort=cohort,
            person=student,
            course=course.course.slug,
            due_at=due_at.isoformat(),
        )
    tell_due(course, {student.pk for student in students} - known, due_at, is_own=True)
    return students


@transaction.atomic
def reset_due(
    actor: User, cohort: Cohort, cohort_course_id: UUID, user_ids: Collection[int]
) -> list[User]:
    """The date of the class holds again; returns those who had one of their own.

    Raises:
        ForbiddenError: actor does not lead the cohort.
        NotFoundError: the course is none of the cohort's.
        ConflictError: somebody is no student of the cohort.
    """
    check_leader(actor, cohort)
    course = _course(cohort, cohort_course_id)
    students = _students(cohort, user_ids)
    own = DueOverride.objects.select_for_update().filter(cohort_course=course, user__in=students)
    had_one = set(own.values_list("user_id", flat=True))
    own.delete()
    changed = [student for student in students if student.pk in had_one]
    for student in changed:
        note_act(actor, "due_reset", cohort=cohort, person=student, course=course.course.slug)
    tell_due(course, had_one, course.due_at, is_own=False)
    return changed


def _course(cohort: Cohort, cohort_course_id: UUID) -> CohortCourse:
    found = CohortCourse.objects.filter(cohort=cohort, pk=cohort_course_id)
    course = found.select_related("cohort", "course").first()
    if course is None:
        raise NotFoundError(_("This class takes no such course any more. Choose another one."))
    return course


def _students(cohort: Cohort, user_ids: Collection[int]) -> list[User]:
    wanted = set(user_ids)
    if not wanted:
        raise InvalidInputError(_("Nobody is chosen. Choose the students in the roster first."))
    students = [member.user for member in students_of(cohort, wanted)]
    if len(students) != len(wanted):
        raise ConflictError(
            _(
                "Nothing was changed: somebody whom you chose is no student of this class any more. Choose again."
            )
        )
    return students


def _check(due_at: datetime, reason: str) -> None:
    faults = []
    if timezone.is_naive(due_at):
        faults.append(Fault(_("The date needs a time zone."), field="due_at"))
    elif due_at <= timezone.now():
        faults.append(Fault(_("This time is over. Choose a later one."), field="due_at"))
    elif due_at > timezone.now() + FARTHEST:
        faults.append(Fault(_("This date is too far away. Choose a nearer one."), field="due_at"))
    if not reason:
        faults.append(
            Fault(_("Write why, so that others who lead the class understand it."), field="reason")
        )
    elif len(reason) > REASON_CHARACTERS:
        faults.append(Fault(_("Write at most 200 characters."), field="reason"))
    if faults:
        raise InvalidInputError(faults[0].message, faults=faults)
