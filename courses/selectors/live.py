"""The students of a class and the steps of a course, as they stand at this moment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from accounts.models import Cohort
from courses.models import CohortCourse, HelpRequest
from courses.selectors.classwork import CourseWork, DeviceWork, StudentWork
from courses.selectors.needs import rank, troubles_of
from courses.selectors.progress import CourseStanding, Standing, StepStanding

SEEN_LATELY = timedelta(minutes=15)
"""Who was not there for longer is told with the time since."""


class CellState(StrEnum):
    """Of one student at one step."""

    LOCKED = "locked"
    OPEN = "open"
    WORKING = "working"
    WAITING = "waiting"
    STUCK = "stuck"
    PASSED = "passed"
    EXEMPT = "exempt"


class Phase(StrEnum):
    """Of one student in the whole course."""

    STUCK = "stuck"
    WORKING = "working"
    WAITING = "waiting"
    NOT_BEGUN = "not_begun"
    DONE = "done"


ORDER = {
    Phase.STUCK: 1,
    Phase.WORKING: 3,
    Phase.WAITING: 4,
    Phase.NOT_BEGUN: 5,
    Phase.DONE: 6,
}


class Sort(StrEnum):
    NAME = "name"
    PROGRESS = "progress"
    HELP = "help"


class Show(StrEnum):
    ALL = "all"
    STUCK = "stuck"
    WAITING = "waiting"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Here:
    """Where a student is.

    Attributes:
        opened_for: since the step was opened; None before that.
        active_for: for which it was in front of the student.
        away_for: since the student was last seen, where that is a while.
    """

    number: int
    title: str
    opened_for: timedelta | None
    active_for: timedelta
    away_for: timedelta | None


@dataclass(frozen=True, slots=True)
class GridRow:
    """A student."""

    user_id: int
    name: str
    phase: Phase
    cells: tuple[CellState, ...]
    percent: int
    here: Here | None
    device: DeviceWork | None
    help: HelpRequest | None
    order: int

    @property
    def asks_for_help(self) -> bool:
        return self.help is not None

    def is_shown(self, show: Show) -> bool:
        match show:
            case Show.STUCK:
                return self.phase == Phase.STUCK or self.asks_for_help
            case Show.WAITING:
                return self.phase == Phase.WAITING
            case Show.DONE:
                return self.phase == Phase.DONE
        return True


@dataclass(frozen=True, slots=True)
class GridStep:
    """A column."""

    key: str
    number: int
    title: str
    is_opened: bool


@dataclass(frozen=True, slots=True)
class Grid:
    """
    Attributes:
        rows: those that are shown, in their order.
        counts: how many students are in each phase, shown or not.
        hands: those for which nobody is coming yet.
    """

    pinned: CohortCourse
    title: str
    steps: tuple[GridStep, ...]
    rows: tuple[GridRow, ...]
    counts: dict[str, int]
    hands: int
    student_count: int


def live_grid(course: CourseWork, language: str, *, sort: Sort, show: Show) -> Grid:
    rows = [_row(course, work, language) for work in course.students]
    counts = Counter(row.phase.value for row in rows)
    return Grid(
        pinned=course.pinned,
        title=course.content.about.title.text(language),
        steps=_steps(course, language),
        rows=tuple(_sorted([row for row in rows if row.is_shown(show)], sort)),
        counts={phase.value: counts[phase.value] for phase in Phase},
        hands=sum(row.order == 0 for row in rows),
        student_count=len(rows),
    )


def newest_request(cohort: Cohort) -> HelpRequest | None:
    """Whatever became of it, so that it changes only when somebody asks anew."""
    asked = HelpRequest.objects.filter(enrolment__cohort=cohort).select_related("enrolment")
    return asked.order_by("-created_at").first()


def _steps(course: CourseWork, language: str) -> tuple[GridStep, ...]:
    opened = set(course.pinned.opened_steps)
    return tuple(
        GridStep(step.key, number, step.text(language).title, step.key in opened)
        for number, step in enumerate(course.content.steps, start=1)
    )


def _row(course: CourseWork, work: StudentWork, language: str) -> GridRow:
    phase = _phase(course, work)
    return GridRow(
        user_id=work.user_id,
        name=work.name,
        phase=phase,
        cells=_cells(course, work, phase),
        percent=work.course.percent if work.course is not None else 0,
        here=_here(course, work, language),
        device=work.device,
        help=work.help,
        order=_order(work, phase),
    )


def _phase(course: CourseWork, work: StudentWork) -> Phase:
    if work.course is None:
        return Phase.NOT_BEGUN
    if work.is_done:
        return Phase.DONE
    if work.waits_for_device:
        return Phase.WAITING
    is_stuck = next(troubles_of(course, work), None) is not None
    return Phase.STUCK if is_stuck else Phase.WORKING


def _cells(course: CourseWork, work: StudentWork, phase: Phase) -> tuple[CellState, ...]:
    """In the order of the columns; a student of another version may lack one."""
    standings = {item.step.key: item for item in work.course.steps} if work.course else {}
    current = work.current
    return tuple(
        _cell(standings[step.key], phase, is_current=standings[step.key] == current)
        if step.key in standings
        else CellState.LOCKED
        for step in course.content.steps
    )


def _cell(item: StepStanding, phase: Phase, *, is_current: bool) -> CellState:
    if is_current and phase == Phase.STUCK:
        return CellState.STUCK
    if is_current and phase == Phase.WAITING:
        return CellState.WAITING
    if item.standing == Standing.AVAILABLE:
        was_opened = item.progress is not None and item.progress.first_opened_at is not None
        return CellState.WORKING if was_opened else CellState.OPEN
    return CellState(item.standing.value)


def _here(course: CourseWork, work: StudentWork, language: str) -> Here | None:
    item = work.current
    if work.course is None or item is None or work.is_done:
        return None
    opened_for = away_for = None
    progress = item.progress
    if progress is not None and progress.first_opened_at is not None:
        opened_for = course.now - progress.first_opened_at
    seen = _last_seen(work.course)
    if seen is not None and course.now - seen > SEEN_LATELY:
        away_for = course.now - seen
    return Here(
        number=work.course.steps.index(item) + 1,
        title=item.step.text(language).title,
        opened_for=opened_for,
        active_for=timedelta(seconds=progress.active_seconds if progress is not None else 0),
        away_for=away_for,
    )


def _last_seen(course: CourseStanding) -> datetime | None:
    rows = (item.progress for item in course.steps if item.progress is not None)
    return max((row.last_seen_at for row in rows if row.last_seen_at is not None), default=None)


def _order(work: StudentWork, phase: Phase) -> int:
    """Who needs somebody most comes first: open hands, stuck, hands that are seen to, then by the phase."""
    return rank(work) if work.help is not None else ORDER[phase]


def _sorted(rows: Iterable[GridRow], sort: Sort) -> list[GridRow]:
    by_name = sorted(rows, key=lambda row: row.name.casefold())
    match sort:
        case Sort.PROGRESS:
            return sorted(by_name, key=lambda row: (row.phase != Phase.NOT_BEGUN, row.percent))
        case Sort.HELP:
            return sorted(by_name, key=lambda row: row.order)
    return by_name
