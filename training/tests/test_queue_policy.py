"""The rules of the queue on plain values: order, caps, windows, and that nobody starves."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.queue.policy import (
    ASSUMED_SECONDS,
    Arrangement,
    Limits,
    Line,
    Reason,
    RunningJob,
    WaitingJob,
    arrange,
)

NOW = 1_000_000.0
HOUR = 3600.0


def job(name: str, owner: str = "", **fields: Any) -> WaitingJob:
    values = {"queued_at": NOW, "estimated_seconds": 60.0} | fields
    return WaitingJob(name, owner or name, **values)


def line(*waiting: WaitingJob, **fields: Any) -> Line:
    return Line(NOW, waiting, **fields)


def order(at: Line) -> str:
    return "".join(str(waiting.id) for waiting in arrange(at).order)


def reasons(at: Line) -> dict[Any, Reason]:
    return {job_id: block.reason for job_id, block in arrange(at).blocked.items()}


# --- the order ------------------------------------------------------------------------------------


def test_of_equals_the_oldest_goes_first() -> None:
    assert order(line(job("b", queued_at=NOW - 1), job("a", queued_at=NOW - 2), job("c"))) == "abc"


def test_the_same_moment_has_one_order_too() -> None:
    assert order(line(job("b"), job("c"), job("a"))) == order(line(job("c"), job("a"), job("b")))


def test_who_used_less_goes_first_though_they_came_later() -> None:
    used = {"heavy": 500.0, "light": 20.0}
    waiting = [job("h", "heavy", queued_at=NOW - 9), job("l", "light")]
    assert order(line(*waiting, used_seconds=used)) == "lh"


def test_a_person_of_double_weight_may_have_used_twice_as_much() -> None:
    waiting = [job("a", cohort="plain"), job("b", cohort="double")]
    limits = {"double": Limits(weight=2.0)}
    for used, expected in ((190.0, "ba"), (210.0, "ab")):
        at = line(*waiting, limits=limits, used_seconds={"a": 100.0, "b": used})
        assert order(at) == expected


def test_many_waiting_jobs_win_nothing_over_one() -> None:
    sweep = [job(str(number), "sweeper", queued_at=NOW - 100 + number) for number in range(5)]
    late = [job("a"), job("b")]
    assert order(line(*sweep, *late)) == "0ab1234"


def test_what_runs_counts_before_it_has_used_anything() -> None:
    running = [RunningJob("r", "busy", remaining_seconds=300.0)]
    limits = Limits(max_running_jobs=5)
    at = line(
        job("x", "busy", queued_at=NOW - 50), job("y"), running=running, default_limits=limits
    )
    assert order(at) == "yx"


def test_usage_counts_less_with_each_minute_of_waiting_and_at_last_not_at_all() -> None:
    heavy = job("h", "heavy", queued_at=NOW - HOUR / 2)
    at = {"used_seconds": {"heavy": 1000.0, "light": 400.0}, "ageing_seconds": HOUR}
    assert order(line(heavy, job("l", "light"), **at)) == "lh"
    assert order(line(replace(heavy, queued_at=NOW - 0.7 * HOUR), job("l", "light"), **at)) == "hl"
    newcomer = job("n", queued_at=NOW - 5)
    assert order(line(replace(heavy, queued_at=NOW - HOUR), newcomer, **at)) == "hn"


def test_who_was_served_waits_anew() -> None:
    served = job("s", "served", queued_at=NOW - 3 * HOUR)
    at = {"used_seconds": {"served": 100.0}, "last_start": {"served": NOW - 60}}
    assert order(line(served, job("n"), **at)) == "ns"


def test_a_job_whose_worker_was_lost_does_not_pay_for_what_was_lost() -> None:
    lost = job("l", "unlucky", queued_at=NOW - 1, was_lost=True)
    assert order(line(lost, job("n"), used_seconds={"unlucky": 900.0})) == "ln"


def test_an_open_window_goes_before_usage_and_the_others_still_stand_in_line() -> None:
    reserved = job("r", cohort="window")
    at = line(
        job("o", queued_at=NOW - 99),
        reserved,
        used_seconds={"r": 9999.0},
        open_windows={"window": NOW + 60},
    )
    assert order(at) == "ro"
    assert not arrange(at).blocked


def test_an_instructor_goes_before_a_window_and_can_move_to_the_very_end() -> None:
    window = {"open_windows": {"window": NOW + 60}}
    assert order(line(job("r", cohort="window"), job("f", priority=1), **window)) == "fr"
    assert order(line(job("r", cohort="window", priority=-1), job("f"), **window)) == "fr"


# --- who may not start ----------------------------------------------------------------------------


def test_held_and_paused_jobs_have_no_place_at_all() -> None:
    at = line(
        job("h", is_held=True),
        job("p", cohort="off"),
        job("a"),
        limits={"off": Limits(is_paused=True)},
    )
    assert order(at) == "a"
    assert reasons(at) == {"h": Reason.HELD, "p": Reason.COHORT_PAUSED}


def test_a_job_backs_off_until_its_time() -> None:
    at = line(job("a", not_before=NOW + 5), job("b"))
    assert arrange(at).next == at.waiting[1]
    assert arrange(at).blocked["a"].until == NOW + 5
    assert not arrange(replace(at, now=NOW + 5)).blocked


def test_one_job_of_a_person_runs_at_a_time_unless_the_class_allows_more() -> None:
    running = [RunningJob("r", "ann"), RunningJob("s", "bob")]
    waiting = [job("a", "ann", cohort="wide"), job("b", "bob")]
    at = line(*waiting, running=running, limits={"wide": Limits(max_running_jobs=2)})
    assert reasons(at) == {"b": Reason.OWN_JOB_RUNNING}


def test_a_used_up_day_waits_for_the_next_one() -> None:
    limits = {"class": Limits(max_day_seconds=600.0, max_running_jobs=3)}
    at = line(
        job("a", cohort="class"),
        job("b", cohort="class"),
        job("c", "a"),
        limits=limits,
        used_today={("a", "class"): 600.0, ("b", "class"): 590.0},
        day_ends_at=NOW + HOUR,
    )
    assert arrange(at).blocked["a"].until == NOW + HOUR
    # Another class, and a day that has seconds left.
    assert reasons(at) == {"a": Reason.DAY_USED_UP}
    running = [RunningJob("r", "b", "class", remaining_seconds=20.0)]
    assert reasons(replace(at, running=running))["b"] == Reason.DAY_USED_UP


def test_a_job_that_no_device_can_train_is_not_before_its_owners_others() -> None:
    packed = job("q", "ann", needs_gpu=True, queued_at=NOW - 50)
    plain = job("p", "ann", queued_at=NOW - 9)
    at = line(packed, plain, job("n"), has_gpu=False)
    assert reasons(at) == {"q": Reason.NEEDS_GPU}
    assert [waiting.id for waiting in arrange(at).eligible] == ["p", "n"]
    assert order(replace(at, has_gpu=True)) == "qnp"


# --- properties -----------------------------------------------------------------------------------

PEOPLE = 4
seconds = st.floats(1, 600)
waiting_jobs = st.builds(
    WaitingJob,
    id=st.uuids(),
    owner=st.integers(0, PEOPLE),
    queued_at=st.floats(NOW - 2 * HOUR, NOW),
    cohort=st.sampled_from([None, "a", "b"]),
    priority=st.integers(-1, 1),
    is_held=st.booleans(),
    not_before=st.sampled_from([0.0, NOW + 10]),
    estimated_seconds=st.none() | seconds,
    needs_gpu=st.booleans(),
)
limits = st.builds(
    Limits,
    weight=st.floats(0.5, 4),
    max_running_jobs=st.integers(1, 2),
    max_day_seconds=st.none() | st.floats(0, 900),
    is_paused=st.booleans(),
)
lines = st.builds(
    Line,
    now=st.just(NOW),
    waiting=st.lists(waiting_jobs, max_size=12, unique_by=lambda waiting: waiting.id),
    running=st.lists(
        st.builds(RunningJob, id=st.uuids(), owner=st.integers(0, PEOPLE)), max_size=3
    ),
    used_seconds=st.dictionaries(st.integers(0, PEOPLE), st.floats(0, 9000)),
    used_today=st.dictionaries(
        st.tuples(st.integers(0, PEOPLE), st.sampled_from([None, "a", "b"])), st.floats(0, 900)
    ),
    last_start=st.dictionaries(st.integers(0, PEOPLE), st.floats(NOW - HOUR, NOW)),
    limits=st.dictionaries(st.sampled_from([None, "a", "b"]), limits),
    open_windows=st.dictionaries(st.sampled_from(["a", "b"]), st.just(NOW + 60)),
    day_ends_at=st.just(NOW + HOUR),
    has_gpu=st.booleans(),
)


@given(lines, st.randoms())
@settings(max_examples=50, deadline=None)
def test_the_order_depends_on_nothing_but_the_values(at: Line, random: Any) -> None:
    shuffled = list(at.waiting)
    random.shuffle(shuffled)
    assert arrange(replace(at, waiting=shuffled)).order == arrange(at).order


@given(lines)
@settings(max_examples=50, deadline=None)
def test_every_job_has_a_place_or_a_lasting_reason_and_no_job_two(at: Line) -> None:
    found: Arrangement = arrange(at)
    lasting = {
        job_id
        for job_id, block in found.blocked.items()
        if block.reason in (Reason.HELD, Reason.COHORT_PAUSED)
    }
    places = [waiting.id for waiting in found.order]
    assert Counter([*places, *lasting]) == Counter(waiting.id for waiting in at.waiting)


@given(lines)
@settings(max_examples=50, deadline=None)
def test_a_window_is_first_among_those_that_nobody_moved(at: Line) -> None:
    ranks = [
        waiting.cohort not in at.open_windows
        for waiting in arrange(at).eligible
        if waiting.priority == 0
    ]
    assert ranks == sorted(ranks)


# --- the future, played ---------------------------------------------------------------------------


@dataclass
class World:
    """Devices that ask the policy, one job at a time each, and that remember what happened."""

    device_count: int
    limits: Limits = field(default_factory=Limits)
    ageing_seconds: float = HOUR
    now: float = 0.0
    waiting: list[WaitingJob] = field(default_factory=list)
    running: list[tuple[float, str, WaitingJob, float]] = field(default_factory=list)
    used: dict[Any, float] = field(default_factory=lambda: defaultdict(float))
    last_start: dict[Any, float] = field(default_factory=dict)
    starts: list[tuple[float, WaitingJob]] = field(default_factory=list)

    def line(self) -> Line:
        return Line(
            self.now,
            self.waiting,
            [
                RunningJob(held.id, held.owner, held.cohort, remaining_seconds=end - self.now)
                for end, _key, held, _length in self.running
            ],
            used_seconds=self.used_now(),
            used_today={(owner, None): used for owner, used in self.used_now().items()},
            last_start=self.last_start,
            default_limits=self.limits,
            ageing_seconds=self.ageing_seconds,
        )

    def used_now(self) -> dict[Any, float]:
        """Device seconds that ended jobs used, and running ones so far."""
        used = Counter(self.used)
        for end, _key, held, length in self.running:
            used[held.owner] += length - (end - self.now)
        return dict(used)

    def play(self, arrivals: list[tuple[float, WaitingJob, float]]) -> None:
        """Let jobs come and devices work; each arrival has its time and its real length."""
        lengths = {arriving.id: length for _at, arriving, length in arrivals}
        arrivals = sorted(arrivals, key=lambda arrival: (arrival[0], str(arrival[1].id)))
        while True:
            while arrivals and arrivals[0][0] <= self.now:
                self.waiting.append(arrivals.pop(0)[1])
            while self.running and self.running[0][0] <= self.now:
                _end, _key, ended, length = heapq.heappop(self.running)
                self.used[ended.owner] += length
            self._fill(lengths)
            moments = [end for end, *_rest in self.running[:1]] + [at for at, *_ in arrivals[:1]]
            if not moments:
                return
            self.now = min(moments)

    def _fill(self, lengths: dict[Any, float]) -> None:
        while len(self.running) < self.device_count:
            chosen = arrange(self.line()).next
            if chosen is None:
                assert not any(self._could_start(waiting) for waiting in self.waiting)
                return
            self.waiting.remove(chosen)
            self.starts.append((self.now, chosen))
            self.last_start[chosen.owner] = self.now
            length = lengths[chosen.id]
            heapq.heappush(self.running, (self.now + length, str(chosen.id), chosen, length))
            assert self._running_of(chosen.owner) <= self.limits.max_running_jobs

    def _running_of(self, owner: Any) -> int:
        return sum(held.owner == owner for _end, _key, held, _length in self.running)

    def _could_start(self, waiting: WaitingJob) -> bool:
        """By the rules as a person would state them, not by the policy's own code."""
        if self._running_of(waiting.owner) >= self.limits.max_running_jobs:
            return False
        cap = self.limits.max_day_seconds
        under_way = [
            length for _end, _key, held, length in self.running if held.owner == waiting.owner
        ]
        return cap is None or self.used[waiting.owner] + sum(under_way) < cap


crowds = st.lists(
    st.tuples(st.integers(0, 6), st.floats(0, 2000), st.floats(1, 300)), min_size=1, max_size=25
)


def arrivals_of(crowd: list[tuple[int, float, float]]) -> list[tuple[float, WaitingJob, float]]:
    return [
        (at, WaitingJob(number, owner, at, estimated_seconds=length), length)
        for number, (owner, at, length) in enumerate(crowd)
    ]


@given(crowds, st.integers(1, 3), st.integers(1, 2))
@settings(max_examples=60, deadline=None)
def test_no_device_is_idle_while_a_job_could_start_and_no_cap_is_passed(
    crowd: list[tuple[int, float, float]], devices: int, cap: int
) -> None:
    world = World(devices, Limits(max_running_jobs=cap))
    # The world itself asserts both after each choice.
    world.play(arrivals_of(crowd))
    assert len(world.starts) == len(crowd)


@given(crowds, st.floats(50, 900), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_a_day_is_passed_by_the_job_under_way_at_most(
    crowd: list[tuple[int, float, float]], cap: float, devices: int
) -> None:
    world = World(devices, Limits(max_running_jobs=2, max_day_seconds=cap))
    world.play(arrivals_of(crowd))
    assert world.starts
    used: dict[Any, list[float]] = defaultdict(list)
    for _at, started in world.starts:
        used[started.owner].append(started.charged_seconds)
    for lengths in used.values():
        # Without its last job each person is below the cap.
        assert sum(lengths[:-1]) < cap + 1e-6


@given(
    heavy_used=st.floats(0, 600_000),
    devices=st.integers(1, 3),
    jobs_before=st.lists(
        st.tuples(st.integers(1, 6), st.floats(-1800, 0), st.floats(1, 100)), max_size=12
    ),
    gap=st.floats(5, 60),
    lengths=st.lists(st.floats(10, 100), min_size=1, max_size=8),
)
@settings(max_examples=40, deadline=None)
def test_nobody_starves_while_newcomers_keep_coming(
    heavy_used: float,
    devices: int,
    jobs_before: list[tuple[int, float, float]],
    gap: float,
    lengths: list[float],
) -> None:
    """The bound of the policy's docstring, against an endless stream of people who never used anything."""
    ageing, longest = 900.0, 100.0
    world = World(devices, ageing_seconds=ageing)
    world.used["heavy"] = heavy_used
    arrivals = [
        (0.0, WaitingJob(f"before-{number}", owner, at, estimated_seconds=length), length)
        for number, (owner, at, length) in enumerate(jobs_before)
    ]
    heavy = WaitingJob("heavy", "heavy", 0.0, estimated_seconds=longest)
    arrivals.append((0.0, heavy, longest))
    others = len({owner for owner, *_rest in jobs_before})
    bound = ageing + longest * (others / devices + 1)
    # More work than the devices can do, until well after the bound.
    for number in range(int(1.5 * bound / gap)):
        length = lengths[number % len(lengths)]
        newcomer = f"new-{number}"
        arrivals.append(
            (
                number * gap,
                WaitingJob(newcomer, newcomer, number * gap, estimated_seconds=length),
                length,
            )
        )
    world.play(arrivals)
    started = next(at for at, chosen in world.starts if chosen is heavy)
    assert started <= bound + 1e-6
    later = [chosen for at, chosen in world.starts if at <= started and chosen.queued_at > ageing]
    assert not later


def test_without_ageing_the_same_person_would_wait_behind_everybody() -> None:
    """The bound above is the ageing's doing, not the crowd's."""
    arrivals = [(0.0, WaitingJob("h", "heavy", 0.0, estimated_seconds=50.0), 50.0)]
    for number in range(100):
        newcomer = WaitingJob(number, number, number * 20.0, estimated_seconds=50.0)
        arrivals.append((number * 20.0, newcomer, 50.0))
    waits = {}
    for ageing in (600.0, 1e12):
        world = World(1, ageing_seconds=ageing)
        world.used["heavy"] = 5000.0
        world.play(list(arrivals))
        waits[ageing] = next(at for at, chosen in world.starts if chosen.id == "h")
    assert waits[600.0] <= 600.0 + 50.0
    assert waits[1e12] == pytest.approx(5000.0)


def test_a_job_without_an_estimate_is_charged_what_a_usual_one_takes() -> None:
    assert job("a", estimated_seconds=None).charged_seconds == ASSUMED_SECONDS
