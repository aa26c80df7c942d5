"""Points on two axes: where they and the ticks of the axes stand, as percentages of the picture.

Knows neither jobs nor words, as `charts` for lines.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from training.charts import Marker, Point, Tick
from training.plotting.scales import Scale, log_scale, nice_ticks, plain_number

EDGE = 0.05
"""Room on all sides, as a share, so that no dot lies on an axis."""
MAX_NAMED_VALUES = 7
"""So few different values are the ticks themselves; of more, round ones are."""
LEAST_LABEL_GAP = 0.12
CLOSE = 0.02
"""Dots of one value that are closer than this in height stand side by side."""
ASIDE = (0.0, 0.012, -0.012, 0.024, -0.024)


@dataclass(frozen=True, slots=True)
class Scatter:
    """Where everything stands; the dots are in the order of the points.

    Attributes:
        zero: the height of the value 0, where it lies within the picture; else empty.
    """

    dots: tuple[Marker, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    zero: str


def build_scatter(
    points: Sequence[Point],
    *,
    is_log: bool,
    x_words: Callable[[float], str] = plain_number,
) -> Scatter:
    """
    Args:
        is_log: whether the x axis is logarithmic; then every x is positive.
        x_words: a value of the x axis as people read it.
    """
    xs, ys = [x for x, _y in points], [y for _x, y in points]
    across, up = _across(xs, is_log=is_log), _up(ys)
    places = [(_inside(across.share(x)), 1 - _inside(up.share(y))) for x, y in points]
    return Scatter(
        dots=tuple(Marker(_percent(x), _percent(y)) for x, y in _side_by_side(places)),
        x_ticks=tuple(_x_ticks(across, xs, x_words)),
        y_ticks=tuple(
            Tick(_percent(1 - _inside(up.share(tick))), plain_number(tick).replace("-", "\u2212"))
            for tick in up.ticks
        ),
        zero=_percent(1 - _inside(up.share(0.0))) if up.low < 0 < up.high else "",
    )


def _across(values: Sequence[float], *, is_log: bool) -> Scale:
    low, high = min(values), max(values)
    if low == high:
        # One value stands in the middle.
        factor_or_step = 2.0 if is_log else max(1.0, abs(low) / 2)
        ends = (
            (low / factor_or_step, high * factor_or_step)
            if is_log
            else (low - factor_or_step, high + factor_or_step)
        )
        return Scale(*ends, (low,), is_log=is_log)
    if is_log:
        return Scale(low, high, log_scale(values).ticks, is_log=True)
    return Scale(low, high, tuple(nice_ticks(high, lowest=low)))


def _up(values: Sequence[float]) -> Scale:
    """From 0, unless that would flatten values which are all far from it; what is below 0 is within."""
    low, high = min(values), max(values)
    floor = low if low < 0 or high - low < 0.25 * high else 0.0
    ticks = nice_ticks(max(high, 0.0) if low < 0 else high, lowest=floor)
    return Scale(ticks[0], ticks[-1], tuple(ticks))


def _x_ticks(across: Scale, values: Sequence[float], words: Callable[[float], str]) -> list[Tick]:
    distinct = sorted(set(values))
    named = distinct if len(distinct) <= MAX_NAMED_VALUES else list(across.ticks)
    ticks: list[Tick] = []
    last = -1.0
    for value in named:
        if not across.low <= value <= across.high:
            continue
        share = _inside(across.share(value))
        if share - last >= LEAST_LABEL_GAP:
            ticks.append(Tick(_percent(share), words(value)))
            last = share
    return ticks


def _side_by_side(places: Sequence[Point]) -> list[Point]:
    """Dots that would cover each other are moved a little to the sides; their height stays."""
    crowd: dict[float, list[float]] = defaultdict(list)
    moved = []
    for x, y in places:
        neighbours = sum(abs(y - other) < CLOSE for other in crowd[x])
        crowd[x].append(y)
        moved.append((x + ASIDE[neighbours % len(ASIDE)], y))
    return moved


def _inside(share: float) -> float:
    return EDGE + (1 - 2 * EDGE) * share


def _percent(share: float) -> str:
    return f"{share * 100:.1f}%".replace(".0%", "%")
