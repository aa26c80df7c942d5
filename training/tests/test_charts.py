"""The geometry of the curves, and the SVG that comes of it."""

from __future__ import annotations

import math

import pytest
from django.template.loader import render_to_string
from django.utils import translation

from training.charts import (
    MAX_POINTS,
    Series,
    build_chart,
    downsample,
    nice_ticks,
    plain_number,
    smooth,
    whole_ticks,
)
from training.curves import MAX_TABLE_ROWS, job_curves
from training.models import MetricPoint, TrainingJob

SMALL = [(0.0, 2.0), (1.0, 1.0), (2.0, 0.5)]


def make_points(count: int) -> list[MetricPoint]:
    return [
        MetricPoint(step=step, epoch=step / 10, loss=2 / step, learning_rate=1e-3 / step)
        for step in range(1, count + 1)
    ]


@pytest.mark.parametrize(
    ("highest", "ticks"),
    [
        (2.0, [0, 0.5, 1, 1.5, 2]),
        (2.31, [0, 1, 2, 3]),
        (0.002, [0, 0.0005, 0.001, 0.0015, 0.002]),
        (0, [0, 0.5, 1]),
        (math.inf, [0, 0.5, 1]),
    ],
)
def test_ticks_are_round_and_reach_the_highest_value(highest: float, ticks: list[float]) -> None:
    assert nice_ticks(highest) == pytest.approx(ticks)


def test_ticks_of_steps_are_whole() -> None:
    assert whole_ticks(3) == [0, 1, 2, 3]
    assert whole_ticks(75) == [0, 20, 40, 60, 80]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.25, "0.25"), (1500, "1500"), (2e-5, "2e-5"), (0.1 + 0.2, "0.3")],
)
def test_numbers_are_short_and_know_no_locale(value: float, text: str) -> None:
    with translation.override("ja"):
        assert plain_number(value) == text


def test_a_long_curve_keeps_its_ends_its_order_and_its_spike() -> None:
    curve = [(float(x), 5.0 if x == 1234 else math.sin(x / 300)) for x in range(5000)]
    kept = downsample(curve, MAX_POINTS)
    assert len(kept) == MAX_POINTS
    assert (kept[0], kept[-1]) == (curve[0], curve[-1])
    assert kept == sorted(set(kept))
    assert (1234.0, 5.0) in kept


def test_smoothing_keeps_a_straight_line_and_does_not_lag() -> None:
    line = [(float(x), 10.0 - x) for x in range(40)]
    smoothed = smooth(line)
    heights = [y for _x, y in smoothed[:-3]]
    assert heights == pytest.approx([y for _x, y in line[:-3]])


def test_few_points_are_not_smoothed() -> None:
    assert smooth(SMALL) == []


def test_values_that_are_not_finite_are_left_out() -> None:
    points = [(0.0, 1.0), (1.0, math.nan), (2.0, math.inf), (3.0, 0.5)]
    chart = build_chart(
        name="loss",
        title="",
        description="",
        x_label="",
        series=[Series("loss", "main", points)],
    )
    assert chart.lines[0].path == "M0 0 L1000 500"


def test_a_job_that_runs_leaves_room_for_the_steps_to_come() -> None:
    points = make_points(10)
    running = TrainingJob(status=TrainingJob.Status.RUNNING, total_steps=100)
    over = TrainingJob(status=TrainingJob.Status.CANCELLED, total_steps=100)
    assert job_curves(running, points).charts[0].x_ticks[-1].label == "100"
    assert job_curves(over, points).charts[0].x_ticks[-1].label == "10"


def test_a_long_table_shows_the_first_the_last_and_what_lies_evenly_between() -> None:
    curves = job_curves(TrainingJob(), make_points(1000))
    steps = [point.step for point in curves.rows]
    assert len(steps) == MAX_TABLE_ROWS
    assert (steps[0], steps[-1]) == (1000, 1)
    assert steps == sorted(set(steps), reverse=True)


def test_a_job_without_points_has_no_curves() -> None:
    curves = job_curves(TrainingJob(), [])
    assert (curves.charts, curves.rows) == ((), ())


def test_chart_as_svg() -> None:
    chart = build_chart(
        name="loss",
        title="Loss",
        description="Falls.",
        x_label="Step",
        series=[
            Series("Each step", "main", SMALL),
            Series("Held-out examples", "held-out", [(0.0, 2.0)], has_markers=True),
        ],
        x_end=4,
    )
    with translation.override("ja"):
        svg = render_to_string("training/pieces/chart.html", {"chart": chart})
    assert 'd="M0 0 L250 500 L500 750"' in svg
    assert '<circle class="chart__marker chart__marker--held-out" cx="0%" cy="0%" r="3.5" />' in svg
    assert 'role="img" aria-labelledby="chart-loss-title chart-loss-text"' in svg
    assert '<desc id="chart-loss-text">Falls.</desc>' in svg
    assert [label for label in ("0.5", "1.5", "2") if f">{label}</text>" in svg] == [
        "0.5",
        "1.5",
        "2",
    ]
    assert "style=" not in svg
