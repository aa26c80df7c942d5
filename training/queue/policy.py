"""Who is next: the rules of the queue, on plain values. Selection, positions and the simulation all ask this module.

A waiting job that may not start now is blocked, for one reason: it is held, its class is paused, its time to wait
after a lost worker is not over, another job of its owner is running, its owner's device time of the day is used up,
or no device here can train it. All others are eligible, and go in this order:

1. what an instructor moved to the front, and last what was moved to the back;
2. jobs of a class whose reserved window is open. Other jobs still get what these leave, so no device stands idle;
3. the person who used the fewest device seconds for their weight. A person's second waiting job counts as if the first
   had run already, so twenty waiting jobs win nothing over one;
4. who has waited longest since they were served last.

**Nobody starves.** Used device seconds count less the longer their owner waits: after `ageing_seconds` (H) since they
were served last, not at all. So from H on nothing is smaller than the key of the person's first job, and of equal keys
the one that waited longer goes first. Whoever is served waits anew, and whoever came later has waited less. So once
a person has waited for H with a job that could start, each other person who was waiting before them may start one
more job, and nobody else any. With N such people, d devices and no job longer than D the person is served within
H + D x (N / d + 1), however many others keep coming. Left aside is what instructors put before it: moved jobs and
open windows, which end.
"""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

ASSUMED_SECONDS = 180.0
"""Of a job for which nothing could be estimated: about what a first job of a course takes."""

PersonId = Hashable
CohortId = Hashable
JobId = Hashable


class Reason(enum.StrEnum):
    """Why a job waits. Those from HELD on keep it from starting; the others only say who is before it."""

    NEXT = "next"
    DEVICE_BUSY = "device_busy"
    CLASS_WINDOW = "class_window"
    HELD = "held"
    COHORT_PAUSED = "cohort_paused"
    BACKING_OFF = "backing_off"
    OWN_JOB_RUNNING = "own_job_running"
    DAY_USED_UP = "day_used_up"
    NEEDS_GPU = "needs_gpu"
    NO_WORKER = "no_worker"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a class allows each of its students; None is no limit."""

    weight: float = 1.0
    max_running_jobs: int = 1
    max_day_seconds: float | None = None
    is_paused: bool = False


@dataclass(frozen=True, slots=True)
class WaitingJob:
    """A job that waits; times are seconds since the epoch.

    Attributes:
        was_lost: whether a lost worker took its place from it: what it used until then does not count against it.
    """

    id: JobId
    owner: PersonId
    queued_at: float
    cohort: CohortId | None = None
    priority: int = 0
    is_held: bool = False
    not_before: float = 0.0
    estimated_seconds: float | None = None
    needs_gpu: bool = False
    was_lost: bool = False

    @property
    def charged_seconds(self) -> float:
        """What it will use, as far as one knows."""
        return ASSUMED_SECONDS if self.estimated_seconds is None else self.estimated_seconds


@dataclass(frozen=True, slots=True)
class RunningJob:
    """A job that a worker holds.

    Attributes:
        remaining_seconds: of device time; None when nothing can be told.
    """

    id: JobId
    owner: PersonId
    cohort: CohortId | None = None
    worker: str = ""
    remaining_seconds: float | None = None

    @property
    def charged_seconds(self) -> float:
        return ASSUMED_SECONDS if self.remaining_seconds is None else self.remaining_seconds


@dataclass(frozen=True, slots=True)
class Line:
    """Everything that the rules look at, at one moment.

    Attributes:
        used_seconds: device seconds of each person in the last days.
        used_today: the same of this day, in each class.
        last_start: when a job of a person started last; older ones than ageing_seconds may be left out.
        open_windows: classes whose reserved window is open, with its end.
        has_gpu: whether a device that could take a job has an NVIDIA GPU.
    """

    now: float
    waiting: Sequence[WaitingJob] = ()
    running: Sequence[RunningJob] = ()
    used_seconds: Mapping[PersonId, float] = field(default_factory=dict)
    used_today: Mapping[tuple[PersonId, CohortId | None], float] = field(default_factory=dict)
    last_start: Mapping[PersonId, float] = field(default_factory=dict)
    limits: Mapping[CohortId | None, Limits] = field(default_factory=dict)
    default_limits: Limits = field(default_factory=Limits)
    open_windows: Mapping[CohortId | None, float] = field(default_factory=dict)
    ageing_seconds: float = 3600.0
    day_ends_at: float = float("inf")
    has_gpu: bool = True

    def limits_of(self, cohort: CohortId | None) -> Limits:
        return self.limits.get(cohort, self.default_limits)


@dataclass(frozen=True, slots=True)
class Block:
    """Why a job may not start now, and until when, where that is known."""

    reason: Reason
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Arrangement:
    """The waiting jobs in order.

    Attributes:
        order: every waiting job but the held and paused ones, blocked or not, the next one first.
        blocked: why some may not start now.
    """

    order: tuple[WaitingJob, ...]
    blocked: Mapping[JobId, Block]

    @property
    def eligible(self) -> Iterator[WaitingJob]:
        return (job for job in self.order if job.id not in self.blocked)

    @property
    def next(self) -> WaitingJob | None:
        return next(self.eligible, None)


def arrange(line: Line) -> Arrangement:
    """Put the waiting jobs in order and say which of them may not start now."""
    load = Load.of(line)
    blocked = {job.id: block for job in line.waiting if (block := load.block(job)) is not None}
    lasting = (Reason.HELD, Reason.COHORT_PAUSED)
    standing = [
        job
        for job in line.waiting
        if job.id not in blocked or blocked[job.id].reason not in lasting
    ]
    return Arrangement(tuple(_ordered(line, load, standing, blocked)), blocked)


class Load:
    """What each person has on the devices now; the jobs of a simulated future are added one by one."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.running: dict[PersonId, int] = defaultdict(int)
        self.charged: dict[PersonId, float] = defaultdict(float)
        self.charged_today: dict[tuple[PersonId, CohortId | None], float] = defaultdict(float)

    @classmethod
    def of(cls, line: Line) -> Load:
        load = cls(line)
        for job in line.running:
            load.start(job.owner, job.cohort, job.charged_seconds)
        return load

    def start(self, owner: PersonId, cohort: CohortId | None, seconds: float) -> None:
        """A job starts: what it will use counts at once, else its owner would come first again until it ends."""
        self.running[owner] += 1
        self.charged[owner] += seconds
        self.charged_today[owner, cohort] += seconds

    def end(self, owner: PersonId) -> None:
        """A job ends; what it was charged stays."""
        self.running[owner] -= 1

    def used_seconds(self, owner: PersonId) -> float:
        return self.line.used_seconds.get(owner, 0.0) + self.charged[owner]

    def block(self, job: WaitingJob, now: float | None = None) -> Block | None:
        """Why the job may not start, at a moment that is not before the line's."""
        now = self.line.now if now is None else now
        limits = self.line.limits_of(job.cohort)
        if job.is_held:
            return Block(Reason.HELD)
        if limits.is_paused:
            return Block(Reason.COHORT_PAUSED)
        if job.not_before > now:
            return Block(Reason.BACKING_OFF, job.not_before)
        if job.needs_gpu and not self.line.has_gpu:
            return Block(Reason.NEEDS_GPU)
        if self.running[job.owner] >= limits.max_running_jobs:
            return Block(Reason.OWN_JOB_RUNNING)
        if now < self.line.day_ends_at and self._is_day_used_up(job, limits):
            return Block(Reason.DAY_USED_UP, self.line.day_ends_at)
        return None

    def _is_day_used_up(self, job: WaitingJob, limits: Limits) -> bool:
        if limits.max_day_seconds is None:
            return False
        key = (job.owner, job.cohort)
        used = self.line.used_today.get(key, 0.0) + self.charged_today[key]
        return used >= limits.max_day_seconds


def waiting_since(line: Line, job: WaitingJob) -> float:
    """From when on a person waits: since the job was queued, or since another job of theirs was served."""
    return max(job.queued_at, line.last_start.get(job.owner, float("-inf")))


def _ordered(
    line: Line, load: Load, jobs: Sequence[WaitingJob], blocked: Mapping[JobId, Block]
) -> list[WaitingJob]:
    own_first = sorted(jobs, key=lambda job: (-job.priority, job.queued_at, str(job.id)))
    charged_ahead: dict[tuple[PersonId, Reason | None], float] = defaultdict(float)
    keys: dict[JobId, tuple[float, ...]] = {}
    for job in own_first:
        since = waiting_since(line, job)
        # A job that can not start yet is not before the others of its owner.
        ahead = (job.owner, _own_line(blocked.get(job.id)))
        share = _counted_usage(line, load, job, since) + charged_ahead[ahead]
        window_rank = 0 if job.cohort in line.open_windows else 1
        weight = line.limits_of(job.cohort).weight
        keys[job.id] = (-job.priority, window_rank, share / weight, since, job.queued_at)
        charged_ahead[ahead] += job.charged_seconds
    return sorted(own_first, key=lambda job: (*keys[job.id], str(job.id)))


def _own_line(block: Block | None) -> Reason | None:
    """Those that wait for another job of their owner stand in one line with those that could start."""
    return None if block is None or block.reason is Reason.OWN_JOB_RUNNING else block.reason


def _counted_usage(line: Line, load: Load, job: WaitingJob, since: float) -> float:
    """Device seconds that count against a person: fewer with each second of waiting, none after the ageing time."""
    if job.was_lost:
        return 0.0
    waited = max(0.0, line.now - since)
    return load.used_seconds(job.owner) * max(0.0, 1.0 - waited / line.ageing_seconds)
