"""When each waiting job will start, as things stand: the devices and the policy, played forward. Pure.

It knows neither the jobs that are still to come nor what people will cancel, so it gives a range and no promise:
nothing is told where a job ahead can not be estimated. A device holds several jobs and works on the one with the
least left, so a job is taken by a worker before the device turns to it: the range begins with the one and ends with
the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from training.queue.policy import (
    Arrangement,
    Block,
    JobId,
    Line,
    Load,
    PersonId,
    Reason,
    WaitingJob,
    arrange,
)

EARLIEST_SHARE = 0.75
LATEST_SHARE = 1.5
"""Estimates shall be right within a quarter; other work on the device makes a job slower, never faster."""

MOMENT = 0.001
"""Far above what a float of today's seconds can tell apart, so that the played time never stands still."""


@dataclass(frozen=True, slots=True)
class Device:
    """A device that takes jobs."""

    worker: str
    has_gpu: bool = False


@dataclass(frozen=True, slots=True)
class Expectation:
    """What can be told of a waiting job.

    Attributes:
        position: 1 for the next one; None for a held or paused job.
        earliest: when it may start at the earliest; None, as latest, when nothing can be told.
    """

    position: int | None
    reason: Reason
    until: float | None = None
    earliest: float | None = None
    latest: float | None = None


@dataclass(slots=True)
class _Held:
    remaining: float
    owner: PersonId


@dataclass(slots=True)
class _DeviceClock:
    """One device in the future that is played: it works on the job with the least left."""

    device: Device
    now: float
    held: list[_Held] = field(default_factory=list)

    @property
    def next_end(self) -> float:
        return self.now + self.held[0].remaining if self.held else float("inf")

    @property
    def backlog(self) -> float:
        return sum(job.remaining for job in self.held)

    def take(self, job: _Held) -> None:
        self.held.append(job)
        self.held.sort(key=lambda held: held.remaining)

    def advance(self, now: float) -> list[_Held]:
        """Work until then; gives the jobs that ended."""
        if self.held:
            self.held[0].remaining -= now - self.now
        self.now = now
        ended = [job for job in self.held if job.remaining <= MOMENT]
        self.held = [job for job in self.held if job.remaining > MOMENT]
        return ended


@dataclass(frozen=True, slots=True)
class _Start:
    """A job starts: taken by a worker, and begun by its device at the latest."""

    job: WaitingJob
    taken_at: float
    begun_at: float
    is_known: bool


def forecast(line: Line, devices: Sequence[Device], places: int) -> dict[JobId, Expectation]:
    """What can be told of every waiting job.

    Args:
        places: jobs that one device holds.
    """
    arrangement = arrange(line)
    # Without a device the order can be told all the same.
    played = devices or [Device("", has_gpu=line.has_gpu)]
    starts = {start.job.id: start for start in _play(line, arrangement, played, places)}
    rest = [job for job in arrangement.order if job.id not in starts]
    positions = {
        job_id: number for number, job_id in enumerate([*starts, *(job.id for job in rest)], 1)
    }
    return {
        job.id: _expectation(
            line,
            arrangement,
            job,
            starts.get(job.id),
            positions.get(job.id),
            has_device=bool(devices),
        )
        for job in line.waiting
    }


def _expectation(
    line: Line,
    arrangement: Arrangement,
    job: WaitingJob,
    start: _Start | None,
    position: int | None,
    *,
    has_device: bool,
) -> Expectation:
    block = arrangement.blocked.get(job.id)
    not_before = line.now if block is None or block.until is None else block.until
    if block is None:
        starts_now = start is not None and start.taken_at <= line.now
        block = _reason_of_order(line, arrangement, job, starts_now=starts_now)
    if position is not None and not has_device and block.reason is not Reason.NEEDS_GPU:
        return Expectation(position, Reason.NO_WORKER)
    if start is None or not start.is_known:
        return Expectation(position, block.reason, block.until)
    earliest = max(not_before, line.now + EARLIEST_SHARE * (start.taken_at - line.now))
    latest = max(earliest, line.now + LATEST_SHARE * (start.begun_at - line.now))
    return Expectation(position, block.reason, block.until, earliest, latest)


def _reason_of_order(
    line: Line, arrangement: Arrangement, job: WaitingJob, *, starts_now: bool
) -> Block:
    if starts_now:
        return Block(Reason.NEXT)
    if line.open_windows and job.cohort not in line.open_windows:
        before = {other.cohort for other in arrangement.eligible}
        before |= {other.cohort for other in line.running}
        ends = [end for cohort, end in line.open_windows.items() if cohort in before]
        if ends:
            return Block(Reason.CLASS_WINDOW, max(ends))
    return Block(Reason.DEVICE_BUSY)


def _play(
    line: Line, arrangement: Arrangement, devices: Sequence[Device], places: int
) -> Iterator[_Start]:
    """The starts of the waiting jobs, in the order in which they will come; those that can not start are left out."""
    load = Load.of(line)
    clocks = [_DeviceClock(device, line.now) for device in devices]
    by_worker = {clock.device.worker: clock for clock in clocks}
    is_known = True
    for running in line.running:
        # A job on a worker that is gone or paused keeps its owner busy, and no place.
        if running.worker in by_worker:
            by_worker[running.worker].take(_Held(running.charged_seconds, running.owner))
            is_known = is_known and running.remaining_seconds is not None
    waiting = list(arrangement.order)
    moments = _moments(line, arrangement)
    now = line.now
    while waiting:
        for job, clock in _fill(load, clocks, waiting, places, now):
            is_idle = now == line.now and len(clock.held) == 1
            begun_at = now + clock.backlog - job.charged_seconds
            yield _Start(job, now, begun_at, is_known=is_known or is_idle)
            is_known = is_known and job.estimated_seconds is not None
        moments = [moment for moment in moments if moment > now]
        now = min(*(clock.next_end for clock in clocks), *moments, float("inf"))
        if now == float("inf"):
            return
        for clock in clocks:
            for ended in clock.advance(now):
                load.end(ended.owner)


def _moments(line: Line, arrangement: Arrangement) -> list[float]:
    """When blocked jobs come free by the clock alone."""
    ends = {block.until for block in arrangement.blocked.values() if block.until is not None}
    return [*ends, line.day_ends_at]


def _fill(
    load: Load, clocks: Sequence[_DeviceClock], waiting: list[WaitingJob], places: int, now: float
) -> Iterator[tuple[WaitingJob, _DeviceClock]]:
    """Give the free places away, the emptiest device first."""
    open_clocks = [clock for clock in clocks if len(clock.held) < places]
    while open_clocks:
        clock = min(open_clocks, key=lambda clock: len(clock.held))
        job = next((job for job in waiting if _may_take(load, clock.device, job, now)), None)
        if job is None:
            open_clocks.remove(clock)
            continue
        waiting.remove(job)
        load.start(job.owner, job.cohort, job.charged_seconds)
        clock.take(_Held(job.charged_seconds, job.owner))
        yield job, clock
        if len(clock.held) >= places:
            open_clocks.remove(clock)


def _may_take(load: Load, device: Device, job: WaitingJob, now: float) -> bool:
    return (device.has_gpu or not job.needs_gpu) and load.block(job, now) is None
