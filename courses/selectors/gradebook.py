"""The gradebook of a course: what each step counts for each student of a class."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal, NamedTuple, cast
from uuid import UUID

from accounts.models import Cohort, Membership
from courses.catalogue.schema import Step
from courses.models import CourseVersion, Enrolment, StepProgress
from courses.selectors.content import content_of
from courses.selectors.due import DueDates
from courses.selectors.lateness import Overrun, Place, late_places
from courses.selectors.names import shown_names
from courses.selectors.pinned import PinnedCourse, class_enrolments, step_title
from courses.selectors.progress import CourseStanding, Standing, StepStanding, fold
from courses.selectors.scores import NO_SCORE, Score, scores_of

Sorting = Literal["name", "-name", "total", "-total", "percent", "-percent"]
SORTINGS: tuple[Sorting, ...] = ("name", "-name", "total", "-total", "percent", "-percent")


@dataclass(frozen=True, slots=True)
class Column:
    """A step of the course that the class takes.

    Attributes:
        max_points: none for a step that is only read.
        counts: whether its points are part of the total.
    """

    number: int
    key: str
    title: str
    max_points: int
    counts: bool


@dataclass(frozen=True, slots=True)
class Cell:
    """One student at one step; standing is None where the student's version has no such step."""

    key: str
    standing: Standing | None = None
    score: Score = NO_SCORE
    max_points: int = 0
    is_late: bool = False

    @property
    def is_exempt(self) -> bool:
        return self.score.is_exempt

    @property
    def has_points(self) -> bool:
        return self.max_points > 0 and self.score.newest_id is not None and not self.is_exempt


@dataclass(frozen=True, slots=True)
class Row:
    """One student; without an enrolment the course is not begun.

    Attributes:
        percent: how much of the course is done; points are apart from it.
        version_number: of the course as this student takes it, where that is another one than the class's.
    """

    user_id: int
    username: str
    name: str
    enrolment_id: UUID | None = None
    cells: tuple[Cell, ...] = ()
    total: float = 0.0
    max_total: float = 0.0
    percent: int = 0
    is_complete: bool = False
    version_number: int | None = None


@dataclass(frozen=True, slots=True)
class Gradebook:
    course: PinnedCourse
    columns: tuple[Column, ...]
    rows: list[Row] = field(default_factory=list)

    @property
    def begun_count(self) -> int:
        return sum(row.enrolment_id is not None for row in self.rows)


def gradebook(
    cohort: Cohort, course: PinnedCourse, *, is_projected: bool = False, sorting: Sorting = "name"
) -> Gradebook:
    """In a number of queries that does not grow with the class."""
    columns = columns_of(course)
    names = shown_names(cohort, is_projected=is_projected)
    students = Membership.objects.filter(cohort=cohort, role=Membership.Role.STUDENT)
    standings = _standings(cohort, course)
    late = _late_places(course, standings)
    scores = scores_of([standing.enrolment.pk for standing in standings.values()])
    versions = dict(
        CourseVersion.objects.filter(course=course.row.course_id).values_list("pk", "number")
    )
    rows = []
    for user_id, username in students.values_list("user_id", "user__username"):
        row = Row(user_id, username, names.get(user_id, username))
        standing = standings.get(user_id)
        if standing is not None:
            own = scores.get(standing.enrolment.pk, {})
            row = _row(row, columns, standing, own, late)
            version_id = standing.enrolment.version_id
            if version_id != course.row.version_id:
                row = replace(row, version_number=versions[version_id])
        rows.append(row)
    return Gradebook(course, columns, _sorted(rows, sorting))


def columns_of(course: PinnedCourse) -> tuple[Column, ...]:
    return tuple(
        Column(number, step.key, step_title(step), step.weight, counts(step))
        for number, step in enumerate(course.content.steps, start=1)
    )


def counts(step: Step) -> bool:
    """Whether its points are part of the total: those of an optional step are not."""
    return step.required and step.weight > 0


def totals(standing: CourseStanding, scores: dict[str, Score]) -> tuple[float, float]:
    """Points, and of how many: exempt steps are left out of both."""
    counted = [
        (scores.get(item.step.key, NO_SCORE), item.step.weight)
        for item in standing.steps
        if counts(item.step)
    ]
    included = [(score, weight) for score, weight in counted if not score.is_exempt]
    return sum(score.points for score, _w in included), sum(weight for _s, weight in included)


class _Progress(NamedTuple):
    """As much of a StepProgress as is read here: thousands of rows would cost more than all the rest."""

    state: str
    passed_at: datetime | None


def _standings(cohort: Cohort, course: PinnedCourse) -> dict[int, CourseStanding]:
    """By the student's id."""
    enrolments = class_enrolments(cohort).filter(course=course.row.course_id)
    found = list(enrolments)
    progress: dict[UUID, dict[str, _Progress]] = defaultdict(dict)
    rows = StepProgress.objects.filter(enrolment__in=found).order_by()
    wanted = ("enrolment_id", "step_key", "state", "passed_at")
    for pk, key, state, passed_at in rows.values_list(*wanted).iterator():
        progress[pk][key] = _Progress(state, passed_at)
    return {
        enrolment.user_id: fold(
            enrolment,
            content_of(enrolment.version_id),
            cast("dict[str, StepProgress]", progress[enrolment.pk]),
            course.row.opened_steps,
        )
        for enrolment in found
    }


def _late_places(course: PinnedCourse, standings: dict[int, CourseStanding]) -> set[Place]:
    dates = DueDates([course.row])
    overruns: dict[Place, Overrun] = {}
    for user_id, standing in standings.items():
        due = dates.of(course.row.pk, user_id)
        due_at = due.at if due else None
        if due_at is None:
            continue
        for item in standing.steps:
            passed_at = item.progress.passed_at if item.progress else None
            if passed_at is not None and passed_at > due_at:
                overruns[standing.enrolment.pk, item.step.key] = Overrun(due_at, passed_at)
    return late_places(overruns)


def _row(
    bare: Row,
    columns: tuple[Column, ...],
    standing: CourseStanding,
    scores: dict[str, Score],
    late: set[Place],
) -> Row:
    enrolment = standing.enrolment
    items = {item.step.key: item for item in standing.steps}
    total, max_total = totals(standing, scores)
    return replace(
        bare,
        enrolment_id=enrolment.pk,
        cells=tuple(_cell(column.key, items, scores, enrolment, late) for column in columns),
        total=total,
        max_total=max_total,
        percent=standing.percent,
        is_complete=standing.is_complete,
    )


def _cell(
    key: str,
    items: dict[str, StepStanding],
    scores: dict[str, Score],
    enrolment: Enrolment,
    late: set[Place],
) -> Cell:
    item = items.get(key)
    if item is None:
        return Cell(key)
    score = scores.get(key, NO_SCORE)
    return Cell(key, item.standing, score, item.step.weight, (enrolment.pk, key) in late)


def _sorted(rows: list[Row], sorting: Sorting) -> list[Row]:
    """Who has not begun stands last, whatever is sorted by."""
    by_name = sorted(rows, key=lambda row: row.name.casefold())
    if sorting == "-name":
        by_name.reverse()
    elif sorting != "name":
        what = sorting.removeprefix("-")
        by_name.sort(key=lambda row: getattr(row, what), reverse=sorting.startswith("-"))
    return sorted(by_name, key=lambda row: row.enrolment_id is None)
