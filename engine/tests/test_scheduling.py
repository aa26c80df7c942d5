from __future__ import annotations

import statistics

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.scheduling import AGEING, Queued, Speed, most_urgent

SECOND = 1.0

Jobs = list[tuple[float, float]]
"""Arrival and work of each job, in seconds."""


def run(jobs: Jobs, *, in_order: bool = False) -> list[float]:
    """The time from arrival to end of each job when the device works on the most urgent one, second by second."""
    left = {index: work for index, (_arrival, work) in enumerate(jobs)}
    queued = {index: Queued(index, arrived=arrival) for index, (arrival, _work) in enumerate(jobs)}
    ends, now = {}, 0.0
    while left:
        here = [index for index in left if jobs[index][0] <= now]
        if here:
            chosen = (
                min(here, key=lambda index: jobs[index][0])
                if in_order
                else most_urgent([(queued[index], left[index]) for index in here], now).job
            )
            queued[chosen].busy_seconds += SECOND
            left[chosen] -= SECOND
            if left[chosen] <= 0:
                del left[chosen]
                ends[chosen] = now + SECOND
        now += SECOND
    return [ends[index] - arrival for index, (arrival, _work) in enumerate(jobs)]


sizes = st.integers(1, 60).map(float)
jobs = st.lists(st.tuples(st.integers(0, 80).map(float), sizes), min_size=1, max_size=12)


@example(
    [(0.0, 30.0), (20.0, 30.0), (21.0, 1.0), (21.0, 25.0), (21.0, 29.0), (21.0, 29.0), (21.0, 29.0)]
)
@given(jobs)
def test_nobody_waits_for_jobs_that_come_later_than_the_bound(jobs: Jobs) -> None:
    for (arrival, work), response in zip(jobs, run(jobs), strict=True):
        last = arrival + work / AGEING
        assert response <= 2 * SECOND + sum(
            other_work for other_arrival, other_work in jobs if other_arrival <= last
        )


@given(jobs)
def test_the_device_is_never_idle_while_work_waits(jobs: Jobs) -> None:
    responses = run(jobs)
    last_end = max(a + r for (a, _work), r in zip(jobs, responses, strict=True))
    assert last_end == pytest.approx(
        max(a + r for (a, _work), r in zip(jobs, run(jobs, in_order=True), strict=True))
    )


def test_a_long_job_is_not_starved_by_a_stream_of_short_ones() -> None:
    stream = [(float(10 * index), 10.0) for index in range(1, 100)]
    (long, *_rest) = run([(0.0, 100.0), *stream])
    assert long <= 100 + 100 / AGEING + 20


def test_the_mean_time_to_the_end_beats_the_order_of_arrival() -> None:
    class_of_ten = [(0.0, work) for work in (100.0, 5, 50, 5, 10, 20, 5, 10, 100, 20)]
    ours, plain = (
        statistics.mean(run(class_of_ten, in_order=in_order)) for in_order in (False, True)
    )
    assert ours < 0.75 * plain


def test_the_speed_follows_the_device() -> None:
    speed = Speed(first_guess=300)
    for _ in range(200):
        speed.add(1000, 1.0)
    assert speed.tokens_per_second == pytest.approx(1000, rel=0.05)
