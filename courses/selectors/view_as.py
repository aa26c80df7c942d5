"""What a student sees of the courses of a class, for those who lead it: read, and nothing else."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from uuid import UUID

from accounts.models import Cohort, Membership, User
from courses.models import CohortCourse, HintView
from courses.selectors.pages import (
    CatalogueEntry,
    ShownCheck,
    StepRow,
    catalogue,
    shown_checks,
    step_rows,
)
from training.models import TrainingJob
from training.selectors import RELATED

SHOWN_JOBS = 50


@dataclass(frozen=True, slots=True)
class ViewedStep:
    """A step as it stands for the student.

    Attributes:
        hint_count: how many of its hints the student opened.
    """

    row: StepRow
    checks: list[ShownCheck]
    tries: int
    hint_count: int


@dataclass(frozen=True, slots=True)
class ViewedCourse:
    """A course of the class as it stands for the student.

    Attributes:
        is_elsewhere: whether the student began it outside of this class, which is none of its business.
    """

    entry: CatalogueEntry
    steps: list[ViewedStep]
    is_elsewhere: bool


def student_of(cohort: Cohort, user_id: int) -> User | None:
    """A student of the class; nobody else has pages that others may look at."""
    students = User.objects.filter(
        memberships__cohort=cohort, memberships__role=Membership.Role.STUDENT
    )
    return students.filter(pk=user_id).first()


def viewed_courses(student: User, cohort: Cohort, language: str) -> list[ViewedCourse]:
    taken = set(CohortCourse.objects.filter(cohort=cohort).values_list("course_id", flat=True))
    entries = [entry for entry in catalogue(student, language) if entry.course.pk in taken]
    hints = _opened_hints(student, cohort)
    return [_viewed(entry, cohort, hints, language) for entry in entries]


def jobs_in(student: User, cohort: Cohort) -> list[TrainingJob]:
    """The student's newest jobs of this class; what they train elsewhere is their own."""
    jobs = TrainingJob.objects.filter(owner=student, cohort=cohort).select_related(*RELATED)
    return list(jobs.order_by("-created_at")[:SHOWN_JOBS])


Hints = dict[tuple[UUID, str], set[tuple[str, int]]]


def _opened_hints(student: User, cohort: Cohort) -> Hints:
    views = HintView.objects.filter(enrolment__user=student, enrolment__cohort=cohort)
    opened: Hints = defaultdict(set)
    for view in views:
        opened[view.enrolment_id, view.step_key].add((view.check_key, view.level))
    return opened


def _viewed(entry: CatalogueEntry, cohort: Cohort, hints: Hints, language: str) -> ViewedCourse:
    standing = entry.standing
    is_elsewhere = standing is not None and standing.enrolment.cohort_id != cohort.pk
    if is_elsewhere:
        entry = replace(entry, standing=None, due=None)
    return ViewedCourse(entry, _steps(entry, hints, language), is_elsewhere)


def _steps(entry: CatalogueEntry, hints: Hints, language: str) -> list[ViewedStep]:
    standing = entry.standing
    rows = step_rows(entry.content, standing, language)
    if standing is None:
        return [ViewedStep(row, [], 0, 0) for row in rows]
    enrolment = standing.enrolment
    steps = []
    for row, item in zip(rows, standing.steps, strict=True):
        opened = hints.get((enrolment.pk, row.key), set())
        checks = shown_checks(enrolment, item, language, opened) if item.is_open else []
        tries = item.progress.tries if item.progress else 0
        steps.append(ViewedStep(row, checks, tries, len(opened)))
    return steps
