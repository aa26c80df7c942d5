"""Geometry of line charts: nice ticks, smoothing, downsampling and SVG paths.

Knows neither jobs nor words nor colours: `curves` says what is drawn, the template draws it, the style sheet colours
it. Positions are percentages or units of a 1000 x 1000 box that stretches, so text keeps its size on every screen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

MAX_POINTS = 300
BOX = 1000.0
TICK_FACTORS = (1.0, 2.0, 5.0, 10.0)
MIN_POINTS_TO_SMOOTH = 8
MAX_REACH = 25

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Series:
    """One line: style is the last word of its CSS class; has_markers draws a dot at each point."""

    label: str
    style: str
    points: Sequence[Point]
    has_markers: bool = False


@dataclass(frozen=True, slots=True)
class Tick:
    position: str
    label: str


@dataclass(frozen=True, slots=True)
class Marker:
    x: str
    y: str


@dataclass(frozen=True, slots=True)
class Line:
    label: str
    style: str
    path: str
    markers: tuple[Marker, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart ready to be drawn; every number is text already, so no locale can change it."""

    name: str
    title: str
    description: str
    x_label: str
    lines: tuple[Line, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]

    @property
    def is_empty(self) -> bool:
        return not any(line.path for line in self.lines)


def build_chart(
    *,
    name: str,
    title: str,
    description: str,
    x_label: str,
    series: Sequence[Series],
    x_end: float = 0.0,
) -> Chart:
    """A chart from x = 0 to the last point, or to x_end when that lies further; y starts at 0.

    Args:
        name: last word of the figure's id.
        series: drawn in this order; points with a value that is not finite are left out.
        x_end: where the x axis ends at least, so that a curve grows into its frame.
    """
    finite = [_finite(entry.points) for entry in series]
    every = [point for points in finite for point in points]
    right = max([x_end, 1.0, *(x for x, _ in every)])
    y_values = nice_ticks(max((y for _, y in every), default=1.0))
    top = y_values[-1]
    return Chart(
        name=name,
        title=title,
        description=description,
        x_label=x_label,
        lines=tuple(
            _line(entry, points, right, top) for entry, points in zip(series, finite, strict=True)
        ),
        x_ticks=_ticks(
            [tick for tick in whole_ticks(right) if tick <= right], right, is_down=False
        ),
        y_ticks=_ticks(y_values, top, is_down=True),
    )


def _line(series: Series, points: list[Point], right: float, top: float) -> Line:
    kept = downsample(points, MAX_POINTS)
    path = " ".join(
        f"{'M' if index == 0 else 'L'}{_short(x / right * BOX)} {_short((1 - y / top) * BOX)}"
        for index, (x, y) in enumerate(kept)
    )
    markers = tuple(Marker(_percent(x / right), _percent(1 - y / top)) for x, y in kept)
    return Line(series.label, series.style, path, markers if series.has_markers else ())


def _ticks(values: Sequence[float], end: float, *, is_down: bool) -> tuple[Tick, ...]:
    return tuple(
        Tick(_percent(1 - value / end if is_down else value / end), plain_number(value))
        for value in values
    )


def nice_ticks(highest: float, count: int = 4) -> list[float]:
    """Round values from 0 to the first one that reaches highest, about count of them."""
    if not math.isfinite(highest) or highest <= 0:
        highest = 1.0
    raw = highest / count
    magnitude = 10.0 ** math.floor(math.log10(raw))
    step = next(
        factor * magnitude for factor in TICK_FACTORS if factor * magnitude >= raw * (1 - 1e-9)
    )
    last = math.ceil(highest / step - 1e-9)
    return [index * step for index in range(last + 1)]


def whole_ticks(highest: float) -> list[float]:
    """As nice_ticks, for things that are counted."""
    if highest < len(TICK_FACTORS):
        return [float(value) for value in range(math.ceil(highest) + 1)]
    return nice_ticks(highest)


def smooth(points: Sequence[Point]) -> list[Point]:
    """The mean of each point and its neighbours.

    Both sides of the window are equal, so it does not lag behind a falling curve; only the last points, which would
    repeat the noise, look further back than ahead. Too few points give none: they say more than their mean.
    """
    count = len(points)
    if count < MIN_POINTS_TO_SMOOTH:
        return []
    reach = min(MAX_REACH, max(2, count // 16))
    sums = [0.0, *accumulate(y for _x, y in points)]
    smoothed = []
    for index, (x, _y) in enumerate(points):
        before = min(reach, index)
        after = min(before, count - 1 - index)
        mean = (sums[index + after + 1] - sums[index - before]) / (before + after + 1)
        smoothed.append((x, mean))
    return smoothed


def downsample(points: Sequence[Point], limit: int) -> list[Point]:
    """At most limit points that keep the shape: largest-triangle-three-buckets (Steinarsson 2013, section 4.2).

    The first and last point stay; from each bucket between them stays the point that spans the largest triangle
    with the point kept before and the mean of the next bucket.
    """
    if len(points) <= limit:
        return list(points)
    width = (len(points) - 2) / (limit - 2)
    edges = [1 + round(index * width) for index in range(limit - 1)]
    kept = [points[0]]
    for start, end, after in zip(edges, edges[1:], [*edges[2:], len(points)], strict=False):
        following = points[end:after] or points[-1:]
        mean_x = sum(x for x, _ in following) / len(following)
        mean_y = sum(y for _, y in following) / len(following)
        kept.append(
            max(points[start:end], key=lambda point: _area(kept[-1], point, (mean_x, mean_y)))
        )
    kept.append(points[-1])
    return kept


def _area(a: Point, b: Point, c: Point) -> float:
    return abs((a[0] - c[0]) * (b[1] - a[1]) - (a[0] - b[0]) * (c[1] - a[1]))


def _finite(points: Sequence[Point]) -> list[Point]:
    return [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]


def plain_number(value: float) -> str:
    """Few digits, a point, no grouping: 0.25, 1500, 2e-5."""
    text = f"{value:.0f}" if 1000 <= value < 1e6 else f"{value:.3g}"
    mantissa, mark, exponent = text.partition("e")
    return f"{mantissa}e{int(exponent)}" if mark else text


def _percent(share: float) -> str:
    return f"{_short(share * 100)}%"


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
