"""Measurements on hidden questions: how many a student has left, and what the page of a step shows of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.utils import timezone

from courses.catalogue.schema import Step
from courses.checks.params import HIDDEN_GAIN
from courses.hidden_questions import hidden_questions
from courses.models import Enrolment, HiddenMeasurement
from courses.selectors.progress import CourseStanding, StepStanding
from training.models import TrainingJob

MEASUREMENTS_A_DAY = 5
"""Who may look often enough fits a model to questions that nobody may see."""
DAY = timedelta(days=1)
OFFERED_JOBS = 50
SHOWN = 20
Status = HiddenMeasurement.Status


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many measurements a student may still ask for.

    Attributes:
        next_at: when the next one is possible; empty while one is left.
    """

    left: int
    next_at: datetime | None


@dataclass(frozen=True, slots=True)
class ShownMeasuring:
    """The part of a step's page.

    Attributes:
        jobs: that can be measured, the newest first.
        rows: the newest first.
    """

    question_count: int
    jobs: list[TrainingJob]
    rows: list[HiddenMeasurement]
    allowance: Allowance

    @property
    def under_way(self) -> HiddenMeasurement | None:
        return next((row for row in self.rows if row.is_active), None)

    @property
    def mark(self) -> str:
        """The same text as long as what is under way stands as it does."""
        row = self.under_way
        return f"{row.pk}-{row.status}" if row else ""


def asks_for_measuring(step: Step) -> bool:
    return any(check.predicate == HIDDEN_GAIN for check in step.checks)


def measurable_jobs(enrolment: Enrolment) -> list[TrainingJob]:
    """The student's own completed jobs since the course began, the newest first."""
    jobs = TrainingJob.objects.filter(
        owner_id=enrolment.user_id,
        created_at__gte=enrolment.started_at,
        status=TrainingJob.Status.COMPLETED,
        adapter__isnull=False,
    )
    return list(jobs.select_related("adapter").order_by("-created_at")[:OFFERED_JOBS])


def allowance_of(enrolment: Enrolment) -> Allowance:
    """Measurements that failed do not count, and those of deleted jobs do."""
    counted = measurements_of(enrolment).exclude(status=Status.FAILED)
    recent = counted.filter(created_at__gt=timezone.now() - DAY).order_by("created_at")
    moments = list(recent.values_list("created_at", flat=True))
    left = max(0, MEASUREMENTS_A_DAY - len(moments))
    return Allowance(left, None if left else moments[-MEASUREMENTS_A_DAY] + DAY)


def measurements_of(enrolment: Enrolment) -> QuerySet[HiddenMeasurement]:
    return HiddenMeasurement.objects.filter(enrolment=enrolment)


def shown_measuring(
    course: CourseStanding, item: StepStanding, language: str
) -> ShownMeasuring | None:
    """None where the step asks for no measurement on hidden questions."""
    if not asks_for_measuring(item.step):
        return None
    return ShownMeasuring(
        question_count=len(hidden_questions(course.content.about.level, language)),
        jobs=measurable_jobs(course.enrolment),
        rows=list(measurements_of(course.enrolment)[:SHOWN]),
        allowance=allowance_of(course.enrolment),
    )
