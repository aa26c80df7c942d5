"""The courses that a class takes: their versions, their dates, and what choosing another version would do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Count, Q
from django.utils.translation import gettext as _

from accounts.models import Cohort, Membership, User
from common.errors import NotFoundError
from courses.catalogue.schema import CourseContent, Step
from courses.models import CohortCourse, Course, CourseVersion, Enrolment, StepProgress
from courses.selectors.content import content_of
from courses.selectors.progress import Person, offered_courses


@dataclass(frozen=True, slots=True)
class ClassCourse:
    """A course that a class takes.

    Attributes:
        versions: all there are, the newest first.
        begun: students of the class who began it.
        elsewhere: those of them who are at another version than the class.
    """

    row: CohortCourse
    content: CourseContent
    title: str
    versions: tuple[CourseVersion, ...]
    begun: int
    completed: int
    elsewhere: int

    @property
    def course(self) -> Course:
        return self.row.course

    @property
    def pinned(self) -> CourseVersion:
        return next(item for item in self.versions if item.pk == self.row.version_id)

    @property
    def newest(self) -> CourseVersion:
        return self.versions[0]

    @property
    def is_newest(self) -> bool:
        return self.newest.pk == self.row.version_id

    @property
    def outdated(self) -> tuple[Step, ...]:
        """Steps with a translation of an older text."""
        return outdated_steps(self.content)

    @property
    def minutes(self) -> int:
        return sum(step.minutes for step in self.content.steps)


@dataclass(frozen=True, slots=True)
class PinPlan:
    """Who goes along when a class chooses a version; the others stay at theirs.

    Attributes:
        losing: they passed a step that the version has no more.
        completed: they are done with the course.
    """

    moving: tuple[Enrolment, ...]
    losing: tuple[Enrolment, ...]
    completed: tuple[Enrolment, ...]


def class_courses(cohort: Cohort, language: str) -> list[ClassCourse]:
    """In three queries, and one more for the first reader of a version, however many students there are."""
    rows = list(CohortCourse.objects.filter(cohort=cohort).select_related("course"))
    courses = [row.course_id for row in rows]
    versions: dict[int, list[CourseVersion]] = {}
    found = CourseVersion.objects.filter(course__in=courses).defer("manifest")
    for version in found.order_by("course", "-number"):
        versions.setdefault(version.course_id, []).append(version)
    counts = {
        (item["course"], item["version"]): item
        for item in Enrolment.objects.filter(cohort=cohort, course__in=courses)
        .order_by()
        .values("course", "version")
        .annotate(begun=Count("pk"), done=Count("pk", filter=Q(completed_at__isnull=False)))
    }
    return [_class_course(row, versions[row.course_id], counts, language) for row in rows]


def _class_course(
    row: CohortCourse,
    versions: list[CourseVersion],
    counts: Mapping[tuple[int, UUID], Any],
    language: str,
) -> ClassCourse:
    content = content_of(row.version_id)
    own = {version: item for (course, version), item in counts.items() if course == row.course_id}
    return ClassCourse(
        row=row,
        content=content,
        title=content.about.title.text(language),
        versions=tuple(versions),
        begun=sum(item["begun"] for item in own.values()),
        completed=sum(item["done"] for item in own.values()),
        elsewhere=sum(item["begun"] for key, item in own.items() if key != row.version_id),
    )


def class_course(cohort: Cohort, slug: str, language: str) -> ClassCourse:
    """
    Raises:
        NotFoundError: the class does not take such a course.
    """
    for entry in class_courses(cohort, language):
        if entry.course.slug == slug:
            return entry
    raise NotFoundError(_("This class does not take this course."))


def taken_course(cohort: Cohort, slug: str) -> CohortCourse:
    """
    Raises:
        NotFoundError: the class does not take such a course.
    """
    taken = CohortCourse.objects.filter(cohort=cohort, course__slug=slug)
    row = taken.select_related("course", "cohort").first()
    if row is None:
        raise NotFoundError(_("This class does not take this course."))
    return row


def addable_courses(cohort: Cohort, user: Person) -> list[Course]:
    """Published courses that the class does not take yet."""
    offered = offered_courses(user).exclude(cohort_courses__cohort=cohort)
    return list(offered.filter(versions__isnull=False).distinct())


def plan_pin(row: CohortCourse, version_id: UUID) -> PinPlan:
    """In two queries, and one more for the first reader of a version."""
    keys = {step.key for step in content_of(version_id).steps}
    enrolments = (
        Enrolment.objects.filter(cohort_id=row.cohort_id, course_id=row.course_id)
        .exclude(version_id=version_id)
        .select_related("user")
        .prefetch_related("steps")
    )
    moving: list[Enrolment] = []
    losing: list[Enrolment] = []
    completed: list[Enrolment] = []
    for enrolment in enrolments:
        done = {step.step_key for step in enrolment.steps.all() if step.state in StepProgress.DONE}
        if enrolment.completed_at is not None:
            completed.append(enrolment)
        elif done <= keys:
            moving.append(enrolment)
        else:
            losing.append(enrolment)
    return PinPlan(tuple(moving), tuple(losing), tuple(completed))


def outdated_steps(content: CourseContent) -> tuple[Step, ...]:
    return tuple(
        step for step in content.steps if any(text.is_outdated for text in step.texts.values())
    )


def may_change_content(user: User, cohort: Cohort) -> bool:
    """What a class learns is for its instructors to decide; assistants help with it."""
    return Membership.objects.filter(
        user=user, cohort=cohort, role=Membership.Role.INSTRUCTOR
    ).exists()
