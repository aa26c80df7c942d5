"""Charts whose lines can be told apart without colour: each has its own dashes and its own kind of marker.

The geometry is that of `charts`; a line may have gaps here, and its markers may be fewer than its points.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from training.charts import Marker, Point, Series, Tick, build_chart, whole_ticks

MARKER_SHAPES = (
    "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
    "M-3.6-3.6h7.2v7.2h-7.2z",
    "M0-4.8l4.8 8.4h-9.6z",
    "M0-5.2l5.2 5.2-5.2 5.2-5.2-5.2z",
    "M0 4.8l4.8-8.4h-9.6z",
    "M-1.6-4.8h3.2v3.2h3.2v3.2h-3.2v3.2h-3.2v-3.2h-3.2v-3.2h3.2z",
)
"""Circle, square, triangle, diamond, triangle upside down, cross: paths around the marked point."""
MAX_MARKED_POINTS = 20
SPREAD_MARKERS = 6


@dataclass(frozen=True, slots=True)
class LineOrder:
    """A line to draw: number is its place among the others, 0 first; between two segments is a gap."""

    label: str
    number: int
    segments: Sequence[Sequence[Point]]

    @property
    def points(self) -> list[Point]:
        return [point for segment in self.segments for point in segment]


@dataclass(frozen=True, slots=True)
class PlotLine:
    """A line ready to be drawn."""

    label: str
    style: str
    shape: str
    paths: tuple[str, ...]
    markers: tuple[Marker, ...]


@dataclass(frozen=True, slots=True)
class Plot:
    """
    Attributes:
        background: paths of lines that only show where most lie; none of them is told apart.
    """

    name: str
    title: str
    description: str
    x_label: str
    lines: tuple[PlotLine, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    notes: tuple[str, ...] = field(default=())
    background: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not self.background and not any(line.paths for line in self.lines)


def build_plot(
    *,
    name: str,
    title: str,
    description: str,
    x_label: str,
    lines: Sequence[LineOrder],
    x_end: float = 0.0,
    x_ticks: Callable[[float], list[float]] = whole_ticks,
    notes: Sequence[str] = (),
    background: Sequence[Sequence[Point]] = (),
) -> Plot:
    """A plot of the lines over one another, with the axes of build_chart.

    Args:
        background: lines that are drawn thin and alike, below the others.
    """
    behind = [Series("", "", points) for points in background]
    segments = [
        Series(line.label, style_of(line.number), segment)
        for line in lines
        for segment in line.segments
    ]
    marked = [
        Series(line.label, style_of(line.number), marked_points(line, len(lines)), has_markers=True)
        for line in lines
    ]
    chart = build_chart(
        name=name,
        title=title,
        description=description,
        x_label=x_label,
        series=[*behind, *segments, *marked],
        x_end=x_end,
        x_ticks=x_ticks,
    )
    drawn = chart.lines[len(behind) :]
    paths = iter([line.path for line in drawn[: len(segments)]])
    markers = [line.markers for line in drawn[len(segments) :]]
    return Plot(
        name=name,
        title=title,
        description=description,
        x_label=x_label,
        lines=tuple(
            PlotLine(
                line.label,
                style_of(line.number),
                MARKER_SHAPES[line.number % len(MARKER_SHAPES)],
                tuple(path for _segment in line.segments if (path := next(paths))),
                markers[index],
            )
            for index, line in enumerate(lines)
        ),
        x_ticks=chart.x_ticks,
        y_ticks=chart.y_ticks,
        notes=tuple(notes),
        background=tuple(line.path for line in chart.lines[: len(behind)] if line.path),
    )


def style_of(number: int) -> str:
    """The last word of a line's CSS class."""
    return f"line-{number % len(MARKER_SHAPES) + 1}"


def marked_points(line: LineOrder, line_count: int) -> list[Point]:
    """All points of a short line, else a few, which lie elsewhere than those of the other lines."""
    points = line.points
    if len(points) <= MAX_MARKED_POINTS:
        return points
    first = len(points) * (line.number + 1) // ((line_count + 1) * SPREAD_MARKERS)
    return points[first :: max(1, len(points) // SPREAD_MARKERS)]
