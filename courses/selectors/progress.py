"""How far a person is in a course: the state of each step, and what comes next."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from common.errors import ConflictError, NotFoundError
from courses.catalogue.schema import CourseContent, Step, Unlock
from courses.models import CohortCourse, Course, Enrolment, StepProgress
from courses.selectors.content import content_of

Person = AbstractBaseUser | AnonymousUser


class Standing(StrEnum):
    """Of a step, for one person."""

    LOCKED = "locked"
    AVAILABLE = "available"
    WORKING = "working"
    WAITING = "waiting"
    PASSED = "passed"
    EXEMPT = "exempt"


DONE = frozenset({Standing.PASSED, Standing.EXEMPT})


@dataclass(frozen=True, slots=True)
class StepStanding:
    """A step, how it stands, and the row of it, once there is one."""

    step: Step
    standing: Standing
    progress: StepProgress | None

    @property
    def is_done(self) -> bool:
        return self.standing in DONE

    @property
    def is_open(self) -> bool:
        return self.standing != Standing.LOCKED

    def check_open(self) -> None:
        """
        Raises:
            ConflictError: the step is locked.
        """
        if not self.is_open:
            raise ConflictError(_("This step is locked. Finish the steps before it first."))


@dataclass(frozen=True, slots=True)
class CourseStanding:
    """A course, for one person."""

    enrolment: Enrolment
    content: CourseContent
    steps: tuple[StepStanding, ...]

    @property
    def percent(self) -> int:
        """Done weight of the required steps; 100 only when all of them are done."""
        required = [item for item in self.steps if item.step.required]
        whole = sum(item.step.weight for item in required)
        done = sum(item.step.weight for item in required if item.is_done)
        if all(item.is_done for item in required):
            return 100
        return min(99, 100 * done // whole) if whole else 0

    @property
    def is_complete(self) -> bool:
        return all(item.is_done for item in self.steps if item.step.required)

    @property
    def done_count(self) -> int:
        return sum(item.is_done for item in self.steps)

    @property
    def next_step(self) -> StepStanding | None:
        """The first open step that is not done; required ones first."""
        waiting = [item for item in self.steps if item.is_open and not item.is_done]
        required = [item for item in waiting if item.step.required]
        return next(iter(required or waiting), None)

    @property
    def current_step(self) -> StepStanding | None:
        """Where the person left off while that is not done, else what comes next."""
        last = self.find(self.enrolment.last_step_key)
        return last if last is not None and last.is_open and not last.is_done else self.next_step

    def is_past(self, key: str) -> bool:
        """Whether a step is done, or is none of the course any more."""
        item = self.find(key)
        return item is None or item.is_done

    def find(self, key: str) -> StepStanding | None:
        return next((item for item in self.steps if item.step.key == key), None)

    def of(self, key: str) -> StepStanding:
        """
        Raises:
            NotFoundError: the course has no such step.
        """
        item = self.find(key)
        if item is None:
            raise NotFoundError(_("This course has no such step. It may have been renamed."))
        return item


def get_enrolment(user: Person, slug: str) -> Enrolment:
    """
    Raises:
        NotFoundError: there is no such course, or the person has not begun it.
    """
    found = Enrolment.objects.visible_to(user).filter(course__slug=slug)
    enrolment = found.select_related("course", "cohort", "user").first()
    if enrolment is None:
        raise NotFoundError(_("You have not begun this course. Open it from the list of courses."))
    return enrolment


def offered_courses(user: Person) -> QuerySet[Course]:
    """Those on offer; instructors also see drafts."""
    courses = Course.objects.all()
    return courses if getattr(user, "is_staff", False) else courses.filter(is_offered=True)


def get_course(user: Person, slug: str) -> Course:
    """
    Raises:
        NotFoundError: there is no such course for this person.
    """
    course = offered_courses(user).filter(slug=slug).first()
    if course is None:
        raise NotFoundError(_("There is no such course."))
    return course


def standing_of(enrolment: Enrolment) -> CourseStanding:
    """In two queries, and one more for the first reader of a version."""
    rows = {row.step_key: row for row in enrolment.steps.all()}
    return fold(enrolment, content_of(enrolment.version_id), rows, _opened_steps(enrolment))


def fold(
    enrolment: Enrolment,
    content: CourseContent,
    rows: dict[str, StepProgress],
    opened: Iterable[str],
) -> CourseStanding:
    """
    Args:
        rows: by the step's key.
        opened: keys of steps that an instructor opened for all.
    """
    opened = frozenset(opened)
    steps: list[StepStanding] = []
    for step in content.steps:
        row = rows.get(step.key)
        is_open = step.key in opened or is_unlocked(step, steps)
        steps.append(StepStanding(step, _standing(row, is_open=is_open), row))
    return CourseStanding(enrolment, content, tuple(steps))


def is_unlocked(step: Step, before: Iterable[StepStanding]) -> bool:
    """Whether what a step waits for is done."""
    if step.unlock == "any":
        return True
    if isinstance(step.unlock, Unlock):
        done = {item.step.key for item in before if item.is_done}
        return done.issuperset(step.unlock.after)
    return all(item.is_done for item in before if item.step.required)


def _standing(row: StepProgress | None, *, is_open: bool) -> Standing:
    if row is not None and row.state in StepProgress.DONE:
        return Standing(row.state)
    if not is_open:
        return Standing.LOCKED
    return Standing(row.state) if row is not None else Standing.AVAILABLE


def _opened_steps(enrolment: Enrolment) -> list[str]:
    if enrolment.cohort_id is None:
        return []
    pinned = CohortCourse.objects.filter(
        cohort_id=enrolment.cohort_id, course_id=enrolment.course_id
    )
    return list(pinned.values_list("opened_steps", flat=True).first() or [])


def finished_course_slugs(user_id: int) -> set[str]:
    """Courses that a person completed."""
    done = Enrolment.objects.filter(user_id=user_id, completed_at__isnull=False)
    return set(done.values_list("course__slug", flat=True))


def enrolment_ids_of(user_id: int) -> list[UUID]:
    """Courses that a person is in the middle of."""
    under_way = Enrolment.objects.filter(user_id=user_id, completed_at__isnull=True)
    return list(under_way.values_list("pk", flat=True))
