"""The geometry of the curves, and the SVG that comes of it."""

from __future__ import annotations

import math
from typing import Any

import pytest
from django.template.loader import render_to_string
from django.utils import translation

from training.charts import MAX_POINTS, Chart, Mark, Reference, Series, build_chart
from training.plotting.lines import downsample, smooth
from training.plotting.scales import (
    linear_scale,
    log_scale,
    nice_ticks,
    outlier_limit,
    plain_number,
    whole_ticks,
)

SMALL = [(0.0, 2.0), (1.0, 1.0), (2.0, 0.5)]


def draw(series: list[Series], **more: Any) -> Chart:
    return build_chart(name="loss", title="", description="", x_label="", series=series, **more)


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
    assert draw([Series("loss", "main", points)]).lines[0].path == "M0 0 L1000 500"


# --- scales -------------------------------------------------------------------------------------------


def test_values_far_from_zero_are_not_flattened() -> None:
    scale = linear_scale([2.31, 2.28, 2.25])
    assert 2.0 < scale.low <= 2.25
    assert scale.share(2.31) - scale.share(2.25) > 0.5
    assert linear_scale([2.31, 0.2]).low == 0


@pytest.mark.parametrize("value", [0.0, 5.0])
def test_values_that_are_all_the_same_have_an_axis(value: float) -> None:
    scale = linear_scale([value, value])
    assert 0 <= scale.share(value) <= 1
    assert scale.low < scale.high


def test_a_logarithmic_axis_has_round_ends_and_a_place_for_every_value() -> None:
    scale = log_scale([0.013, 3.4])
    assert (scale.low, scale.high) == (pytest.approx(0.01), pytest.approx(5))
    assert scale.share(0.01) == pytest.approx(0)
    assert scale.share(0.1) - scale.share(0.01) == pytest.approx(scale.share(1) - scale.share(0.1))
    assert scale.share(0) == scale.share(-1) == 0
    assert [plain_number(tick) for tick in scale.ticks] == ["0.01", "0.1", "1"]


def test_a_wide_logarithmic_axis_has_few_ticks() -> None:
    assert len(log_scale([1e-12, 1e6]).ticks) <= 7


def test_a_spike_is_an_outlier_and_a_high_beginning_is_not() -> None:
    falling = [3 * math.exp(-step / 20) for step in range(100)]
    assert outlier_limit(falling) is None
    assert outlier_limit([*falling, 40.0]) == pytest.approx(3.0)
    assert outlier_limit([0.1, 0.1, 0.1, 0.1, 2.0]) == pytest.approx(0.1)
    # The untouched base model's loss says that 2.0 is nothing unusual.
    assert outlier_limit([0.1, 0.1, 0.1, 0.1, 2.0], usual=1.9) is None


def test_a_job_that_diverged_for_most_of_its_life_is_drawn_whole() -> None:
    assert outlier_limit([2.0, 2.1, 500.0, 600.0, 700.0, 800.0, 900.0]) is None


def test_points_above_the_limit_are_drawn_at_the_edge_with_an_arrow() -> None:
    chart = draw([Series("loss", "main", [(0.0, 2.0), (1.0, 900.0), (2.0, 1.0)])], limit=2.0)
    assert chart.lines[0].path == "M0 0 L500 0 L1000 500"
    assert [(marker.x, marker.y) for marker in chart.outliers] == [("50%", "0%")]
    assert chart.y_ticks[-1].label == "2"


def test_many_outliers_need_few_arrows() -> None:
    points = [(float(x), 9.0) for x in range(500)]
    assert 0 < len(draw([Series("loss", "main", points)], limit=1.0).outliers) <= 30


def test_a_reference_is_inside_the_axis_although_the_line_lies_far_below() -> None:
    chart = draw([Series("loss", "main", SMALL)], references=[Reference("Base", "baseline", 4.0)])
    assert chart.references[0].position == "0%"
    assert chart.lines[0].path.startswith("M0 500")


def test_a_mark_stands_on_its_point() -> None:
    chart = draw([Series("loss", "main", SMALL)], marks=[Mark("Best", "best", (1.0, 1.0))])
    assert (chart.marks[0].marker.x, chart.marks[0].marker.y) == ("50%", "50%")


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
        references=[Reference("Untouched base model", "baseline", 2.0)],
        marks=[Mark("Best: step 2", "best", (2.0, 0.5))],
        notes=["1 point lies above 2."],
        y_label="Height: logarithmic",
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
    assert svg.count("Untouched base model</li>") == 1
    assert "Best: step 2</li>" in svg
    assert "1 point lies above 2." in svg
    assert ">Height: logarithmic</text>" in svg
    assert "style=" not in svg
