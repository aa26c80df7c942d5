"""Who of a class needs somebody now, and why. Nothing is kept of it: it ends by itself when its reason does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from courses.catalogue.schema import Check
from courses.models import HelpRequest, StepProgress
from courses.selectors.classwork import CourseWork, StudentWork, asks_for_job
from courses.selectors.progress import StepStanding
from training.models import TrainingJob

FAILS_IN_ROW = 3
LEAST_IDLE = timedelta(minutes=5)
IDLE_FACTOR = 2
SEEN_WITHIN = timedelta(hours=2)
"""Who was not there for longer has gone; then nobody is waiting for help."""


class Reason(StrEnum):
    SAME_CHECK = "same_check"
    JOB_FAILED_TWICE = "job_failed_twice"
    IDLE = "idle"


@dataclass(frozen=True, slots=True)
class Trouble:
    """One reason for which a student seems to be stuck; courses.wording.needs makes its sentence.

    Attributes:
        count: failures in a row.
        check, stored: what failed, and what it found.
        job: the newest one.
        minutes, usual_minutes: at the step, and what is usual for it.
        is_measured: whether the class showed what is usual, and not the course's author.
    """

    reason: Reason
    count: int = 0
    check: Check | None = None
    stored: dict[str, Any] | None = None
    job: TrainingJob | None = None
    minutes: int = 0
    usual_minutes: int = 0
    is_measured: bool = False


@dataclass(frozen=True, slots=True)
class Need:
    """A student who raised a hand, seems to be stuck, or both."""

    work: StudentWork
    course: CourseWork
    troubles: tuple[Trouble, ...]

    @property
    def help(self) -> HelpRequest | None:
        return self.work.help

    @property
    def item(self) -> StepStanding | None:
        """The step that it is about."""
        if self.help is not None and self.work.course is not None:
            return self.work.course.of(self.help.step_key)
        return self.work.current

    @property
    def next_locked(self) -> StepStanding | None:
        """The first step that the student could go on with if it were open."""
        course, item = self.work.course, self.item
        if course is None or item is None:
            return None
        after = course.steps[course.steps.index(item) + 1 :]
        return next((other for other in after if not other.is_open), None)

    @property
    def since(self) -> datetime:
        if self.help is not None:
            return self.help.created_at
        item = self.item
        opened = item.progress.first_opened_at if item is not None and item.progress else None
        return opened or self.course.now


def needs_of(courses: Sequence[CourseWork]) -> list[Need]:
    """Raised hands for which nobody is coming first, then who is stuck, then whom somebody helps already."""
    found = [
        Need(work, course, troubles)
        for course in courses
        for work in course.students
        if (troubles := tuple(troubles_of(course, work))) or work.help is not None
    ]
    return sorted(found, key=lambda need: (rank(need.work), need.since, need.work.name))


def rank(work: StudentWork) -> int:
    """0 for a hand that nobody has claimed, 1 for a student who is stuck, 2 where somebody is coming."""
    if work.help is None:
        return 1
    return 0 if work.help.state == HelpRequest.State.OPEN else 2


def waiting_for_device(courses: Sequence[CourseWork]) -> list[tuple[CourseWork, StudentWork]]:
    """Students for whom the devices work or will: that is ours to look after, not theirs."""
    found = [
        (course, work)
        for course in courses
        for work in course.students
        if work.waits_for_device and not work.is_done
    ]
    return sorted(found, key=lambda pair: pair[1].name.casefold())


def troubles_of(course: CourseWork, work: StudentWork) -> Iterator[Trouble]:
    """Why a student seems to be stuck at the current step; nobody is while a device has to work."""
    item = work.current
    if item is None or item.progress is None or work.is_done or work.waits_for_device:
        return
    yield from _same_check(item, item.progress)
    yield from _job_failed_twice(work, item)
    yield from _idle(course, work, item, item.progress)


def _same_check(item: StepStanding, progress: StepProgress) -> Iterator[Trouble]:
    if progress.fails_in_row < FAILS_IN_ROW:
        return
    failing = (
        check
        for check in item.step.checks
        if progress.checks.get(check.key, {}).get("outcome") == "fail"
    )
    check = next(failing, None)
    if check is not None:
        stored = progress.checks[check.key]
        yield Trouble(Reason.SAME_CHECK, progress.fails_in_row, check, stored)


def _job_failed_twice(work: StudentWork, item: StepStanding) -> Iterator[Trouble]:
    if len(work.newest_jobs) < 2 or not asks_for_job(item.step, item.progress):
        return
    newest, before = work.newest_jobs[:2]
    both_failed = newest.status == before.status == TrainingJob.Status.FAILED
    if both_failed and newest.error_code == before.error_code:
        yield Trouble(Reason.JOB_FAILED_TWICE, job=newest)


def _idle(
    course: CourseWork, work: StudentWork, item: StepStanding, progress: StepProgress
) -> Iterator[Trouble]:
    if progress.first_opened_at is None or progress.last_seen_at is None or work.device is not None:
        return
    if course.now - progress.last_seen_at > SEEN_WITHIN:
        return
    measured = course.usual_seconds.get(item.step.key)
    usual = timedelta(minutes=item.step.minutes) if measured is None else _seconds(measured)
    spent = _time_spent(progress, course.now)
    if spent > max(LEAST_IDLE, IDLE_FACTOR * usual):
        yield Trouble(
            Reason.IDLE,
            minutes=round(spent / timedelta(minutes=1)),
            usual_minutes=max(1, round(usual / timedelta(minutes=1))),
            is_measured=measured is not None,
        )


def _time_spent(progress: StepProgress, now: datetime) -> timedelta:
    """By the clock; a step that was begun in an earlier lesson counts by the time it was in front of the student."""
    passed = now - (progress.first_opened_at or now)
    return passed if passed <= SEEN_WITHIN else _seconds(progress.active_seconds)


def _seconds(count: float) -> timedelta:
    return timedelta(seconds=count)
