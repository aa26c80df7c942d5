"""Positions and expected starts, on plain values: the policy played forward over the devices."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.queue.forecast import (
    EARLIEST_SHARE,
    LATEST_SHARE,
    Device,
    Expectation,
    forecast,
)
from training.queue.policy import Limits, Line, Reason, RunningJob, WaitingJob, arrange

NOW = 1_800_000_000.0
CPU = [Device("cpu")]


def job(name: str, owner: str = "", **fields: Any) -> WaitingJob:
    values = {"queued_at": NOW, "estimated_seconds": 100.0} | fields
    return WaitingJob(name, owner or name, **values)


def runs(name: str, remaining: float | None, worker: str = "cpu") -> RunningJob:
    return RunningJob(name, f"owner of {name}", worker=worker, remaining_seconds=remaining)


def told(at: Line, devices: list[Device] = CPU, places: int = 1) -> dict[Any, Expectation]:
    return forecast(at, devices, places)


def after(found: Expectation) -> tuple[float, float]:
    assert found.earliest is not None
    assert found.latest is not None
    return found.earliest - NOW, found.latest - NOW


def test_an_idle_device_takes_the_next_job_at_once() -> None:
    found = told(Line(NOW, [job("a")]))["a"]
    assert found == Expectation(1, Reason.NEXT, None, NOW, NOW)


def test_the_range_spans_what_runs_and_what_is_ahead() -> None:
    waiting = [job("a", queued_at=NOW - 2), job("b", queued_at=NOW - 1)]
    found = told(Line(NOW, waiting, [runs("r", 60.0)]))
    assert (found["a"].position, found["b"].position) == (1, 2)
    assert after(found["a"]) == pytest.approx((60 * EARLIEST_SHARE, 60 * LATEST_SHARE))
    assert after(found["b"]) == pytest.approx((160 * EARLIEST_SHARE, 160 * LATEST_SHARE))
    assert found["b"].reason == Reason.DEVICE_BUSY


def test_two_devices_halve_the_wait() -> None:
    waiting = [job(str(number), queued_at=NOW + number) for number in range(4)]
    running = [runs("r", 100.0), runs("s", 100.0, "gpu")]
    found = told(Line(NOW, waiting, running), [Device("cpu"), Device("gpu")])
    starts = [after(found[str(number)])[0] for number in range(4)]
    assert starts == pytest.approx([75, 75, 150, 150])


def test_a_device_that_holds_more_takes_a_job_early_and_turns_to_it_late() -> None:
    at = Line(NOW, [job("a", estimated_seconds=500.0)], [runs("r", 100.0), runs("s", 200.0)])
    assert after(told(at, places=4)["a"]) == pytest.approx((0, 300 * LATEST_SHARE))
    assert told(at, places=4)["a"].reason == Reason.NEXT


def test_the_device_works_on_the_job_with_the_least_left() -> None:
    at = Line(NOW, [job("a")], [runs("long", 1000.0), runs("short", 10.0)])
    earliest, _latest = after(told(at, places=2)["a"])
    assert earliest == pytest.approx(10 * EARLIEST_SHARE)


@pytest.mark.parametrize("places", [1, 4])
def test_nothing_is_told_behind_a_job_that_can_not_be_estimated(places: int) -> None:
    waiting = [
        job("a", queued_at=NOW - 9, estimated_seconds=None),
        *[job(f"b{number}", queued_at=NOW - 8) for number in range(4)],
    ]
    found = told(Line(NOW, waiting), places=places)
    assert found["a"].earliest == NOW
    assert found["b3"].earliest is None
    assert found["b3"].latest is None
    assert found["b3"].position == 5
    unknown = told(Line(NOW, [job("c")], [runs("r", None)]))
    assert unknown["c"] == Expectation(1, Reason.DEVICE_BUSY)


def test_without_a_worker_there_is_an_order_and_no_time() -> None:
    found = told(Line(NOW, [job("a"), job("b", queued_at=NOW + 1)], has_gpu=False), [])
    assert found == {
        "a": Expectation(1, Reason.NO_WORKER),
        "b": Expectation(2, Reason.NO_WORKER),
    }


def test_held_and_paused_jobs_have_neither_place_nor_time() -> None:
    waiting = [job("h", is_held=True), job("p", cohort="off"), job("a")]
    found = told(Line(NOW, waiting, limits={"off": Limits(is_paused=True)}))
    assert found["h"] == Expectation(None, Reason.HELD)
    assert found["p"] == Expectation(None, Reason.COHORT_PAUSED)
    assert found["a"].position == 1


def test_the_second_job_of_a_person_takes_its_turn_after_the_first_ran() -> None:
    waiting = [job("1", "ann", queued_at=NOW - 5), job("2", "ann", queued_at=NOW - 4), job("b")]
    found = told(Line(NOW, waiting))
    assert [found[name].position for name in ("1", "b", "2")] == [1, 2, 3]
    assert after(found["2"])[0] == pytest.approx(200 * EARLIEST_SHARE)
    own = RunningJob("r", "ann", worker="cpu", remaining_seconds=50.0)
    found = told(Line(NOW, waiting[:1], [own]), places=4)
    assert found["1"].reason == Reason.OWN_JOB_RUNNING
    assert after(found["1"])[0] == pytest.approx(50 * EARLIEST_SHARE)


def test_a_time_that_the_clock_alone_decides_is_not_told_too_early() -> None:
    at = Line(
        NOW,
        [job("b", not_before=NOW + 40), job("d", cohort="class")],
        limits={"class": Limits(max_day_seconds=10.0)},
        used_today={("d", "class"): 10.0},
        day_ends_at=NOW + 5000,
    )
    found = told(at, places=4)
    assert found["b"].reason == Reason.BACKING_OFF
    assert after(found["b"])[0] == pytest.approx(40)
    assert (found["d"].reason, found["d"].until) == (Reason.DAY_USED_UP, NOW + 5000)
    assert after(found["d"])[0] == 5000


def test_a_window_is_the_reason_while_its_class_has_jobs() -> None:
    other, reserved = job("o", queued_at=NOW - 9), job("r", cohort="window")
    at = Line(NOW, [other, reserved], [runs("x", 60.0)], open_windows={"window": NOW + 900})
    found = told(at)
    assert (found["r"].position, found["r"].reason) == (1, Reason.DEVICE_BUSY)
    assert (found["o"].reason, found["o"].until) == (Reason.CLASS_WINDOW, NOW + 900)
    # It starts before the window ends, once its class leaves the device.
    assert after(found["o"])[0] == pytest.approx(160 * EARLIEST_SHARE)
    assert told(replace(at, waiting=[other]))["o"].reason == Reason.DEVICE_BUSY


def test_a_job_for_a_gpu_waits_for_one_that_is_there_or_comes_last() -> None:
    packed, plain = job("q", needs_gpu=True, queued_at=NOW - 9), job("p")
    mixed = [Device("cpu"), Device("tower", has_gpu=True)]
    busy = Line(NOW, [packed, plain], [runs("r", 90.0, "tower")])
    found = told(busy, mixed)
    assert found["p"].earliest == NOW
    assert after(found["q"])[0] == pytest.approx(90 * EARLIEST_SHARE)
    none = told(replace(busy, has_gpu=False))
    assert none["q"] == Expectation(2, Reason.NEEDS_GPU)
    assert told(replace(busy, has_gpu=False), [])["q"].reason == Reason.NEEDS_GPU


def test_a_job_on_a_worker_that_takes_no_more_keeps_its_owner_waiting() -> None:
    own = RunningJob("r", "ann", worker="paused", remaining_seconds=5.0)
    found = told(Line(NOW, [job("a", "ann")], [own]))
    assert found["a"] == Expectation(1, Reason.OWN_JOB_RUNNING)


crowd = st.lists(
    st.builds(
        WaitingJob,
        id=st.uuids(),
        owner=st.integers(0, 3),
        queued_at=st.floats(NOW - 5000, NOW),
        estimated_seconds=st.none() | st.floats(1, 900),
        is_held=st.booleans(),
        priority=st.integers(-1, 1),
    ),
    max_size=12,
    unique_by=lambda waiting: waiting.id,
)
held = st.lists(
    st.builds(
        RunningJob,
        id=st.uuids(),
        owner=st.integers(0, 3),
        worker=st.sampled_from(["cpu", "gone"]),
        remaining_seconds=st.none() | st.floats(0, 900),
    ),
    max_size=3,
)


def test_lengths_that_no_float_of_today_tells_apart_come_to_an_end() -> None:
    waiting = [job(str(number), estimated_seconds=1e-8 * number) for number in range(9)]
    found = told(Line(NOW, waiting, [runs("r", 1 / 3)]))
    assert [found[str(number)].position for number in range(9)] == list(range(1, 10))


@given(crowd, held, st.integers(1, 4))
@settings(max_examples=80, deadline=None)
def test_places_are_dense_ranges_are_ranges_and_the_next_one_is_selections(
    waiting: list[WaitingJob], running: list[RunningJob], places: int
) -> None:
    at = Line(NOW, waiting, running)
    found = told(at, places=places)
    positions = sorted(one.position for one in found.values() if one.position is not None)
    assert positions == list(range(1, len(positions) + 1))
    for one in found.values():
        assert (one.earliest is None) == (one.latest is None)
        if one.earliest is not None and one.latest is not None:
            assert NOW <= one.earliest <= one.latest
    chosen = arrange(at).next
    if chosen is not None and sum(one.worker == "cpu" for one in running) < places:
        assert found[chosen.id].position == 1
        assert found[chosen.id].reason == Reason.NEXT
