"""Where a class gets stuck: for each step who reached it, who passed it, and what stopped the others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from django.db.models import Avg, Count, F, Q, QuerySet, Window
from django.db.models.functions import RowNumber

from accounts.models import Cohort
from courses.catalogue.schema import Step
from courses.models import CheckResult, Enrolment, HintView, StepProgress
from courses.selectors.disguise import disguised_result
from courses.selectors.names import shown_names
from courses.selectors.pinned import PinnedCourse, class_enrolments, step_title
from courses.wording.checks import check_title
from courses.wording.reasons import reason_sentence

State = StepProgress.State
SECONDS_A_MINUTE = 60


@dataclass(frozen=True, slots=True)
class Obstacle:
    """The check of a step that most students failed.

    Attributes:
        sentence: what the student of the newest failure reads.
        name: of that student.
    """

    title: str
    student_count: int
    sentence: str
    name: str


@dataclass(frozen=True, slots=True)
class Stage:
    """A step, counted over the class. Exempt students have not reached it.

    Attributes:
        working: those who opened it and have not passed.
        waiting: those of them who wait for a device.
        minutes: median of the active time of those who passed.
        tries: mean tries that failed, of those who passed.
    """

    number: int
    key: str
    title: str
    reached: int = 0
    working: int = 0
    waiting: int = 0
    passed: int = 0
    exempt: int = 0
    minutes: float | None = None
    tries: float | None = None
    hints: int = 0
    obstacle: Obstacle | None = None

    @property
    def is_narrow(self) -> bool:
        """Fewer than half of those who reached it passed."""
        return 2 * self.passed < self.reached


@dataclass(frozen=True, slots=True)
class Funnel:
    course: PinnedCourse
    begun_count: int
    stages: tuple[Stage, ...]

    @property
    def narrow(self) -> list[Stage]:
        return [stage for stage in self.stages if stage.is_narrow]


def funnel(cohort: Cohort, course: PinnedCourse, *, is_projected: bool = False) -> Funnel:
    """In a number of queries that does not grow with the class."""
    enrolments = class_enrolments(cohort).filter(course=course.row.course_id)
    names = shown_names(cohort, is_projected=is_projected)
    counts, minutes = _counts(enrolments), _median_minutes(enrolments)
    hints, failures = _hints(enrolments), _failures(enrolments)
    newest = _newest_failures(enrolments)
    stages = []
    for number, step in enumerate(course.content.steps, start=1):
        stages.append(
            Stage(
                number,
                step.key,
                step_title(step),
                **counts.get(step.key, {}),
                minutes=minutes.get(step.key),
                hints=hints.get(step.key, 0),
                obstacle=_obstacle(
                    step, failures[step.key], newest, names, is_projected=is_projected
                ),
            )
        )
    return Funnel(course, enrolments.count(), tuple(stages))


def _counts(enrolments: QuerySet[Enrolment]) -> dict[str, dict[str, Any]]:
    # A step can be worked at without its page, by a call of the API.
    begun = Q(first_opened_at__isnull=False) | ~Q(state=State.AVAILABLE)
    reached = begun & ~Q(state=State.EXEMPT)
    rows = (
        StepProgress.objects.filter(enrolment__in=enrolments)
        .order_by()
        .values("step_key")
        .annotate(
            reached=Count("pk", filter=reached),
            working=Count("pk", filter=reached & ~Q(state=State.PASSED)),
            waiting=Count("pk", filter=Q(state=State.WAITING)),
            passed=Count("pk", filter=Q(state=State.PASSED)),
            exempt=Count("pk", filter=Q(state=State.EXEMPT)),
            mean_tries=Avg("tries", filter=Q(state=State.PASSED)),
        )
    )
    return {
        row["step_key"]: {
            "reached": row["reached"],
            "working": row["working"],
            "waiting": row["waiting"],
            "passed": row["passed"],
            "exempt": row["exempt"],
            "tries": row["mean_tries"],
        }
        for row in rows
    }


def _median_minutes(enrolments: QuerySet[Enrolment]) -> dict[str, float]:
    """The one or two middle rows of each step; databases have no common word for a median."""
    by_step = [F("step_key")]
    middle = (
        StepProgress.objects.filter(enrolment__in=enrolments, state=State.PASSED)
        .annotate(
            place=Window(
                RowNumber(), partition_by=by_step, order_by=[F("active_seconds").asc(), "pk"]
            ),
            size=Window(Count("pk"), partition_by=by_step),
        )
        .filter(place__gte=F("size") / 2.0, place__lte=F("size") / 2.0 + 1)
        .order_by()
    )
    found: dict[str, list[int]] = defaultdict(list)
    for step_key, seconds in middle.values_list("step_key", "active_seconds"):
        found[step_key].append(seconds)
    return {key: fmean(seconds) / SECONDS_A_MINUTE for key, seconds in found.items()}


def _hints(enrolments: QuerySet[Enrolment]) -> dict[str, int]:
    rows = HintView.objects.filter(enrolment__in=enrolments).order_by()
    return dict(
        rows.values("step_key").annotate(count=Count("pk")).values_list("step_key", "count")
    )


def _failures(enrolments: QuerySet[Enrolment]) -> dict[str, dict[str, int]]:
    """How many students failed each check of each step, at any time."""
    rows = (
        CheckResult.objects.filter(enrolment__in=enrolments, outcome=CheckResult.Outcome.FAIL)
        .order_by()
        .values("step_key", "check_key")
        .annotate(students=Count("enrolment", distinct=True))
    )
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for row in rows:
        found[row["step_key"]][row["check_key"]] = row["students"]
    return found


def _newest_failures(enrolments: QuerySet[Enrolment]) -> dict[tuple[str, str], CheckResult]:
    """Of each check of each step."""
    by_check = [F("step_key"), F("check_key")]
    rows = (
        CheckResult.objects.filter(enrolment__in=enrolments, outcome=CheckResult.Outcome.FAIL)
        .annotate(
            place=Window(
                RowNumber(), partition_by=by_check, order_by=[F("created_at").desc(), "pk"]
            )
        )
        .filter(place=1)
        .order_by()
        .select_related("enrolment")
    )
    return {(row.step_key, row.check_key): row for row in rows}


def _obstacle(
    step: Step,
    failures: Mapping[str, int],
    newest: Mapping[tuple[str, str], CheckResult],
    names: Mapping[int, str],
    *,
    is_projected: bool,
) -> Obstacle | None:
    """The first of the step where several are as hard."""
    failed = [check for check in step.checks if failures.get(check.key)]
    if not failed:
        return None
    hardest = max(failed, key=lambda check: failures[check.key])
    sample = newest[step.key, hardest.key]
    stored = {
        "outcome": sample.outcome,
        "reason": sample.reason,
        "observed": sample.observed,
        "wanted": sample.wanted,
    }
    if is_projected:
        stored = disguised_result(stored)
    return Obstacle(
        check_title(hardest),
        failures[hardest.key],
        reason_sentence(stored),
        names.get(sample.enrolment.user_id, ""),
    )
