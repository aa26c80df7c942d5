"""How fair the queue is: the product's own policy against first-in-first-out, in simulated classes.

`python -m benchmarks queue` takes under a minute and always gives the same numbers.
"""

from __future__ import annotations

import json
import random
import statistics
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.queue_world import (
    Arrival,
    Ended,
    Rule,
    Window,
    World,
    by_policy,
    first_in_first_out,
    play,
    served_by_owner,
)
from training.queue.policy import WaitingJob

RESULTS = Path(__file__).parent / "results"
SEEDS = {30: (1, 2, 3, 4, 5), 300: (1,)}
"""A large class is its own average."""
ARMS: dict[str, Rule] = {"first in, first out": first_in_first_out, "policy": by_policy}

MEDIAN_SECONDS, SIGMA = 60.0, 1.0
LONGEST_SECONDS = 1800.0
ESTIMATE_SIGMA = 0.2
SWEEP_SHARE, SWEEP_JOBS = 0.1, 10
LATER_JOBS = 2
LOAD = 0.9
FIRST_MINUTE = 60.0


@dataclass(frozen=True)
class Case:
    students: int
    devices: int
    has_window: bool
    places: int = 1


CASES = [
    Case(students, devices, has_window, places)
    for places in (1, 4)
    for students in (30, 300)
    for devices in (1, 4)
    for has_window in (False, True)
]


# --- who wants what -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Crowd:
    arrivals: list[Arrival]
    windows: list[Window]


def crowd(case: Case, seed: int) -> Crowd:
    """All press "Start" in the first minute; later jobs spread so that the devices are busy for 90 % of the time.

    One student in ten queues a sweep of ten jobs at once. With a window, half of the students are in a class whose
    lesson lies in the middle: they queue one job more each in its first minute.
    """
    rng = random.Random(f"{case.students}-{case.devices}-{seed}")
    sizes = {
        (student, number): _size(rng)
        for student in range(case.students)
        for number in range(_jobs_of(student))
    }
    span = sum(sizes.values()) / (case.devices * LOAD)
    arrivals = [
        _arrival(rng, student, number, size, _queued_at(rng, student, number, span))
        for (student, number), size in sizes.items()
    ]
    if not case.has_window:
        return Crowd(arrivals, [])
    lesson = [student for student in range(case.students) if _cohort(student) == "lesson"]
    extra = {student: _size(rng) for student in lesson}
    # Long enough for the lesson's own jobs, were the devices all theirs.
    length = 1.5 * sum(extra.values()) / case.devices
    window = Window("lesson", span / 2, span / 2 + length)
    arrivals += [
        _arrival(rng, student, 99, size, window.starts_at + rng.uniform(0, FIRST_MINUTE))
        for student, size in extra.items()
    ]
    return Crowd(arrivals, [window])


def _is_sweeper(student: int) -> bool:
    return student % round(1 / SWEEP_SHARE) == 0


def _cohort(student: int) -> str:
    return "lesson" if student % 2 else "other"


def _jobs_of(student: int) -> int:
    return SWEEP_JOBS if _is_sweeper(student) else 1 + LATER_JOBS


def _size(rng: random.Random) -> float:
    return min(LONGEST_SECONDS, rng.lognormvariate(0, SIGMA) * MEDIAN_SECONDS)


def _queued_at(rng: random.Random, student: int, number: int, span: float) -> float:
    if _is_sweeper(student):
        # All at once, before most of the others.
        return 10.0 + student / 1000
    return rng.uniform(0, FIRST_MINUTE) if number == 0 else rng.uniform(FIRST_MINUTE, span)


def _arrival(
    rng: random.Random, student: int, number: int, size: float, queued_at: float
) -> Arrival:
    job = WaitingJob(
        id=f"{student:03}-{number:02}",
        owner=student,
        queued_at=queued_at,
        cohort=_cohort(student),
        estimated_seconds=size * rng.lognormvariate(0, ESTIMATE_SIGMA),
    )
    return Arrival(job, size, is_sweep=_is_sweeper(student) and number < SWEEP_JOBS)


# --- what came of it ------------------------------------------------------------------------------


def measure(case: Case, rule: Rule) -> dict[str, float]:
    """The medians over the seeds."""
    rows = [_measures(case, rule, seed) for seed in SEEDS[case.students]]
    return {name: statistics.median(row[name] for row in rows) for name in rows[0]}


def _measures(case: Case, rule: Rule, seed: int) -> dict[str, float]:
    people = crowd(case, seed)
    world = World(case.devices, places=case.places, windows=people.windows)
    ended = play(world, people.arrivals, rule).ended
    assert len(ended) == len(people.arrivals)
    single = [one for one in ended if not one.arrival.is_sweep]
    row = {
        "mean_wait": statistics.mean(waits(ended)),
        "p95_wait": p95(waits(ended)),
        "max_wait": max(waits(ended)),
        "single_mean_wait": statistics.mean(waits(single)),
        "single_p95_wait": p95(waits(single)),
        "sweep_mean_wait": statistics.mean(waits(one for one in ended if one.arrival.is_sweep)),
        "first_mean": statistics.mean(first_results(ended)),
        "first_p95": p95(first_results(ended)),
        "max_slowdown": max(one.slowdown for one in ended),
        "p95_slowdown": p95([one.slowdown for one in ended]),
        "busy": sum(one.arrival.run_seconds for one in ended) / (case.devices * world.now),
    }
    if people.windows:
        inside = [one for one in ended if _is_in(people.windows[0], one)]
        row["window_mean_wait"] = statistics.mean(waits(inside))
        row["window_p95_wait"] = p95(waits(inside))
    return row


def _is_in(window: Window, one: Ended) -> bool:
    at = one.arrival.queued_at
    return one.arrival.job.cohort == window.cohort and window.starts_at <= at < window.ends_at


def first_results(ended: Iterable[Ended]) -> list[float]:
    """When each student has the first of their adapters."""
    first: dict[object, float] = {}
    for one in ended:
        owner = one.arrival.job.owner
        first[owner] = min(first.get(owner, one.ended_at), one.ended_at)
    return list(first.values())


def waits(ended: Iterable[Ended]) -> list[float]:
    return [one.wait for one in ended]


def p95(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20, method="inclusive")[-1]


def equal_demand(students: int, devices: int, rule: Rule, seed: int) -> float:
    """Jain's index of what equal students got by half time: 1 is all the same, 1/n is one of n got everything.

    Everybody wants ten minutes: a third as one job, a third as five, a third as ten, all queued in one minute.
    """
    rng = random.Random(seed)
    arrivals = []
    for student in range(students):
        count = (1, 5, 10)[student % 3]
        queued_at = rng.uniform(0, FIRST_MINUTE)
        for number in range(count):
            at = queued_at + number / 1000
            job = WaitingJob(f"{student}-{number}", student, at, estimated_seconds=600 / count)
            arrivals.append(Arrival(job, 600 / count))
    until = students * 600 / devices / 2
    served = served_by_owner(play(World(devices), arrivals, rule, until=until))
    got = [served[student] for student in range(students)]
    return sum(got) ** 2 / (len(got) * sum(value * value for value in got))


# --- the report -----------------------------------------------------------------------------------


def main() -> int:
    started = time.perf_counter()
    rows = [
        {"case": vars(case), "arm": name} | measure(case, rule)
        for case in CASES
        for name, rule in ARMS.items()
    ]
    fairness = [
        {
            "students": students,
            "devices": devices,
            "arm": name,
            "jain": statistics.median(
                equal_demand(students, devices, rule, seed) for seed in SEEDS[students]
            ),
        }
        for students in (30, 300)
        for devices in (1, 4)
        for name, rule in ARMS.items()
    ]
    print(f"{time.perf_counter() - started:.0f} s")
    found = {"cases": rows, "equal_demand": fairness}
    (RESULTS / "queue.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    text = report(rows, fairness)
    (RESULTS / "queue.md").write_text(text, encoding="utf-8")
    print(text)
    return 0


def report(rows: list[dict[str, Any]], fairness: list[dict[str, Any]]) -> str:
    parts = [
        "# The queue",
        "Simulated classes, the same jobs under both rules, medians of "
        f"{len(SEEDS[30])} seeds with 30 students, one with 300. `python -m benchmarks queue`",
    ]
    for places, title in (
        (1, "**A device takes one job at a time**"),
        (4, "**A device holds four jobs and works on the shortest**, as the engine does"),
    ):
        parts += [title, _table([row for row in rows if row["case"]["places"] == places])]
    parts += ["**Equal demand, cut differently**: Jain's index at half time", _jain(fairness)]
    return "\n\n".join([*parts, NOTES]) + "\n"


def _table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| Students | Devices | Window | Rule | Wait: mean | p95 | longest | First result: mean | p95 "
        "| One job at a time: mean wait | p95 | Sweeps: mean wait | Slowdown: p95 | max "
        "| Queued in the window: mean wait | p95 |",
        "|---:|---:|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        case = row["case"]
        cells = [
            str(case["students"]),
            str(case["devices"]),
            "yes" if case["has_window"] else "no",
            row["arm"],
            *(minutes(row[name]) for name in WAITS),
            f"{row['p95_slowdown']:.0f}",
            f"{row['max_slowdown']:.0f}",
            *(minutes(row.get(name)) for name in ("window_mean_wait", "window_p95_wait")),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


WAITS = (
    "mean_wait",
    "p95_wait",
    "max_wait",
    "first_mean",
    "first_p95",
    "single_mean_wait",
    "single_p95_wait",
    "sweep_mean_wait",
)


def minutes(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds / 60:.1f}"


def _jain(fairness: list[dict[str, Any]]) -> str:
    lines = ["| Students | Devices | Rule | Index |", "|---:|---:|---|---:|"]
    lines += [
        f"| {row['students']} | {row['devices']} | {row['arm']} | {row['jain']:.3f} |"
        for row in fairness
    ]
    return "\n".join(lines)


NOTES = """## How to read it

Waits are in minutes, from the queue to a device's first work. "First result" is from the start of the class until a
student's first job has ended. Slowdown is the time from the queue to the end over the time that the job takes alone.
Jobs take a log-normal time (median 1 min, sigma 1, 30 min at most); estimates are wrong by a log-normal factor (sigma
0.2). Each student queues one job in the first minute and two later, every tenth a sweep of ten jobs at once instead;
later jobs are spread so that the devices would be busy for 90 % of the time. With a window, half of the students have a
lesson in the middle, in which they queue one job more each.

First in, first out knows no caps. The policy is the one of the product (`training/queue/policy.py`): one running job a
student, open windows first, then the fewest device seconds used, ageing over one hour.

What the policy costs: the jobs of a sweep wait for those of people who have used less, so the longest wait, the 95th
percentile of all jobs and the largest slowdown are worse than with first in, first out. On devices that hold four jobs
and are not crowded, the cap of one running job a student costs more than the order wins, also in the window. Jain's
index can not reach 1 here: nothing is interrupted, so at half time a job of ten minutes has had all or nothing.
About 0.75 is the most that is possible."""
