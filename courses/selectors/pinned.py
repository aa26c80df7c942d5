"""The courses that a class takes, with their texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from django.db.models import QuerySet
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from accounts.models import Cohort, Membership
from common.errors import NotFoundError
from courses.catalogue.schema import CourseContent, Step
from courses.models import CohortCourse, Enrolment
from courses.selectors.content import content_of
from courses.starter import DEFAULT_LANGUAGE


@dataclass(frozen=True, slots=True)
class PinnedCourse:
    """A course at the version that a class takes."""

    row: CohortCourse
    content: CourseContent

    @classmethod
    def of(cls, row: CohortCourse) -> Self:
        """In no query but for the first reader of a version."""
        return cls(row, content_of(row.version_id))

    @property
    def slug(self) -> str:
        return self.row.course.slug

    @property
    def title(self) -> str:
        return self.content.about.title.text(reading_language())


def reading_language() -> str:
    return get_language() or DEFAULT_LANGUAGE


def step_title(step: Step) -> str:
    return step.text(reading_language()).title


def pinned_courses(cohort: Cohort) -> list[PinnedCourse]:
    """In one query, and one more for the first reader of a version."""
    rows = CohortCourse.objects.filter(cohort=cohort)
    rows = rows.select_related("cohort", "course", "version").defer("version__manifest")
    return [PinnedCourse.of(row) for row in rows]


def pinned_course(courses: list[PinnedCourse], slug: str) -> PinnedCourse:
    """
    Raises:
        NotFoundError: the class does not take this course.
    """
    found = next((course for course in courses if course.slug == slug), None)
    if found is None:
        raise NotFoundError(_("This class does not take this course."))
    return found


def class_enrolments(cohort: Cohort) -> QuerySet[Enrolment]:
    """Of its students, in the courses that they take with it; whoever leads or left the class is not among them."""
    students = Membership.objects.filter(cohort=cohort, role=Membership.Role.STUDENT)
    return Enrolment.objects.filter(cohort=cohort, user__in=students.values("user"))
