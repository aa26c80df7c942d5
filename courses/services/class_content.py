"""What instructors decide of the courses that their class takes: which ones, at which version, from when to when."""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.auditing import note_act
from accounts.models import Cohort, User
from common.errors import (
    ConflictError,
    Fault,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
)
from courses.models import CohortCourse, Course, CourseVersion, Enrolment
from courses.selectors.class_content import PinPlan, may_change_content, plan_pin
from courses.selectors.content import content_of, newest_version
from courses.selectors.due import without_own_date
from courses.selectors.progress import fold
from courses.services.telling import forget_due, tell_due


def add_course(actor: User, cohort: Cohort, course: Course) -> CohortCourse:
    """Let a class take a course, at its newest version.

    Raises:
        ForbiddenError: the actor is no instructor of the class.
        NotFoundError: the course was never published.
        ConflictError: the class takes it already.
    """
    _check_instructor(actor, cohort)
    try:
        version = newest_version(course)
    except CourseVersion.DoesNotExist as error:
        raise NotFoundError(_("There is no such course.")) from error
    try:
        with transaction.atomic():
            row = CohortCourse.objects.create(cohort=cohort, course=course, version=version)
            _note_change(actor, row, "course_added")
    except IntegrityError as error:
        raise ConflictError(_("The class takes this course already.")) from error
    return row


@transaction.atomic
def remove_course(actor: User, row: CohortCourse) -> None:
    """The class takes a course no more; what its students did in it stays theirs.

    Raises:
        ForbiddenError: the actor is no instructor of the class.
    """
    _check_instructor(actor, row.cohort)
    _note_change(actor, row, "course_removed")
    forget_due(row)
    row.delete()


@transaction.atomic
def set_dates(
    actor: User, row: CohortCourse, *, release_at: datetime | None, due_at: datetime | None
) -> CohortCourse:
    """Set when a course opens and is due; the same dates again are no change.

    Raises:
        ForbiddenError: the actor is no instructor of the class.
        InvalidInputError: it is due before it opens.
    """
    _check_instructor(actor, row.cohort)
    if release_at is not None and due_at is not None and due_at <= release_at:
        sentence = _("The course is due before it opens. Choose a later date here.")
        raise InvalidInputError(sentence, faults=[Fault(sentence, field="due_at")])
    rows = CohortCourse.objects.select_for_update(of=("self",)).select_related("cohort", "course")
    locked = rows.get(pk=row.pk)
    if (locked.release_at, locked.due_at) == (release_at, due_at):
        return locked
    is_due_moved = locked.due_at != due_at
    locked.release_at, locked.due_at = release_at, due_at
    locked.save(update_fields=["release_at", "due_at"])
    _note_change(actor, locked, "course_dates")
    if is_due_moved:
        tell_due(locked, without_own_date(locked), due_at, is_own=False)
    return locked


@transaction.atomic
def pin_version(actor: User, row: CohortCourse, version: CourseVersion) -> PinPlan:
    """Choose the version of a class, and bring its students along where nothing that they passed is lost.

    Twice does no more than once, but brings those along who could not come the first time.

    Raises:
        ForbiddenError: the actor is no instructor of the class.
        NotFoundError: it is a version of another course.
    """
    _check_instructor(actor, row.cohort)
    if version.course_id != row.course_id:
        raise NotFoundError(_("This course has no such version."))
    locked = CohortCourse.objects.select_for_update().get(pk=row.pk)
    before = locked.version_id
    keys = {step.key for step in content_of(version.pk).steps}
    locked.version = version
    locked.opened_steps = [key for key in locked.opened_steps if key in keys]
    locked.save(update_fields=["version", "opened_steps"])
    plan = plan_pin(locked, version.pk)
    Enrolment.objects.filter(pk__in=[item.pk for item in plan.moving]).update(version=version)
    _complete(plan, version, locked.opened_steps)
    if before != version.pk or plan.moving:
        note_act(
            actor,
            "version_pinned",
            cohort=locked.cohort,
            course=locked.course.slug,
            version=version.number,
            moved=len(plan.moving),
            stayed=len(plan.losing) + len(plan.completed),
        )
    return plan


def _complete(plan: PinPlan, version: CourseVersion, opened: list[str]) -> None:
    """Whoever had only steps left that the version does not ask for is done."""
    content = content_of(version.pk)
    done = [
        enrolment.pk
        for enrolment in plan.moving
        if fold(
            enrolment, content, {step.step_key: step for step in enrolment.steps.all()}, opened
        ).is_complete
    ]
    Enrolment.objects.filter(pk__in=done, completed_at=None).update(completed_at=timezone.now())


def _check_instructor(actor: User, cohort: Cohort) -> None:
    if not may_change_content(actor, cohort):
        raise ForbiddenError(
            _("Only instructors of the class decide what it learns. Ask one of them.")
        )


def _note_change(actor: User, row: CohortCourse, what: str) -> None:
    note_act(actor, "cohort_changed", cohort=row.cohort, what=what, course=row.course.slug)
