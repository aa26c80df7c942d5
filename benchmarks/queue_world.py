"""A class and its devices in simulated time: people queue jobs, devices take them by a rule. No clock, no chance."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from training.queue.policy import Limits, Line, RunningJob, WaitingJob, arrange

DAY_SECONDS = 24 * 3600.0
MOMENT = 1e-9


@dataclass(frozen=True, slots=True)
class Arrival:
    """A job that a student queues, with what nobody knows beforehand: how long it will really take."""

    job: WaitingJob
    run_seconds: float
    is_sweep: bool = False

    @property
    def queued_at(self) -> float:
        return self.job.queued_at


@dataclass(slots=True)
class Held:
    """A job on a device."""

    arrival: Arrival
    left: float
    begun_at: float | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    arrival: Arrival
    begun_at: float
    ended_at: float

    @property
    def wait(self) -> float:
        """From the queue to the first work of a device."""
        return self.begun_at - self.arrival.queued_at

    @property
    def slowdown(self) -> float:
        """How many times as long as alone on a device it took, waiting included."""
        return (self.ended_at - self.arrival.queued_at) / self.arrival.run_seconds


@dataclass(frozen=True, slots=True)
class Window:
    cohort: str
    starts_at: float
    ends_at: float


@dataclass(slots=True)
class World:
    """The state of the simulation, as the rules may see it.

    Attributes:
        places: jobs that one device holds; it works on the one with the least left, as the engine does.
    """

    device_count: int
    places: int = 1
    windows: Sequence[Window] = ()
    limits: Limits = field(default_factory=Limits)
    now: float = 0.0
    waiting: dict[object, Arrival] = field(default_factory=dict)
    devices: list[list[Held]] = field(default_factory=list)
    used: defaultdict[object, float] = field(default_factory=lambda: defaultdict(float))
    last_start: dict[object, float] = field(default_factory=dict)
    ended: list[Ended] = field(default_factory=list)

    def line(self) -> Line:
        """What the policy of the product reads from the database."""
        running = [
            RunningJob(
                held.arrival.job.id,
                held.arrival.job.owner,
                held.arrival.job.cohort,
                remaining_seconds=held.arrival.job.charged_seconds
                * held.left
                / held.arrival.run_seconds,
            )
            for device in self.devices
            for held in device
        ]
        return Line(
            self.now,
            [arrival.job for arrival in self.waiting.values()],
            running,
            used_seconds=self.used,
            last_start=self.last_start,
            default_limits=self.limits,
            open_windows={
                window.cohort: window.ends_at
                for window in self.windows
                if window.starts_at <= self.now < window.ends_at
            },
            day_ends_at=DAY_SECONDS,
        )


Rule = Callable[[World], WaitingJob | None]


def by_policy(world: World) -> WaitingJob | None:
    return arrange(world.line()).next


def first_in_first_out(world: World) -> WaitingJob | None:
    """What a plain queue does: no caps, no windows, the oldest."""
    jobs = (arrival.job for arrival in world.waiting.values())
    return min(jobs, key=lambda job: (job.queued_at, str(job.id)), default=None)


def play(
    world: World, arrivals: Sequence[Arrival], rule: Rule, *, until: float = float("inf")
) -> World:
    """Let the arrivals come and the devices work, to the end or to a moment."""
    world.devices = [[] for _device in range(world.device_count)]
    coming = sorted(arrivals, key=lambda arrival: (arrival.queued_at, str(arrival.job.id)))
    coming.reverse()
    edges = sorted({edge for one in world.windows for edge in (one.starts_at, one.ends_at)})
    while world.now < until:
        while coming and coming[-1].queued_at <= world.now:
            arrival = coming.pop()
            world.waiting[arrival.job.id] = arrival
        _fill(world, rule)
        moments = [world.now + device[0].left for device in world.devices if device]
        moments += [arrival.queued_at for arrival in coming[-1:]]
        if not moments:
            break
        edges = [edge for edge in edges if edge > world.now]
        _work(world, min([*moments, *edges[:1], until]))
    return world


def _fill(world: World, rule: Rule) -> None:
    while world.waiting:
        device = min(world.devices, key=len)
        if len(device) >= world.places:
            return
        job = rule(world)
        if job is None:
            return
        arrival = world.waiting.pop(job.id)
        world.last_start[job.owner] = world.now
        device.append(Held(arrival, arrival.run_seconds))
        device.sort(key=lambda held: held.left)


def _work(world: World, moment: float) -> None:
    """Time passes; each device works on the job with the least left."""
    for device in world.devices:
        if not device:
            continue
        held = device[0]
        held.begun_at = world.now if held.begun_at is None else held.begun_at
        passed = moment - world.now
        held.left -= passed
        world.used[held.arrival.job.owner] += passed
        if held.left <= MOMENT:
            device.pop(0)
            world.ended.append(Ended(held.arrival, held.begun_at, moment))
    world.now = moment


def served_by_owner(world: World) -> Counter[object]:
    """Device seconds that each person got so far."""
    return Counter(world.used)
