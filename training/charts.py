"""A line chart ready to be drawn.

Knows neither jobs nor words nor colours: `curves` says what is drawn, the template draws it, the style sheet colours
it. Positions are percentages or units of a 1000 x 1000 box that stretches, so text keeps its size on every screen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from training.plotting.lines import Point, downsample, finite, smooth
from training.plotting.scales import (
    Scale,
    linear_scale,
    log_scale,
    nice_ticks,
    plain_number,
    whole_ticks,
)

__all__ = [
    "MAX_POINTS",
    "Chart",
    "Line",
    "Mark",
    "Marker",
    "Point",
    "Reference",
    "Series",
    "Tick",
    "build_chart",
    "downsample",
    "nice_ticks",
    "plain_number",
    "smooth",
    "whole_ticks",
]

MAX_POINTS = 300
MAX_OUTLIERS_DRAWN = 30
BOX = 1000.0


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
class Mark:
    """One point worth a word of its own, as the best step."""

    label: str
    style: str
    point: Point
    marker: Marker = Marker("", "")


@dataclass(frozen=True, slots=True)
class Reference:
    """A height to compare the lines with, drawn over the whole width."""

    label: str
    style: str
    value: float
    position: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the chart: as a path of the box, and as shares of width and height, from the lower left corner."""

    label: str
    style: str
    path: str
    markers: tuple[Marker, ...]
    shares: tuple[Point, ...] = ()


@dataclass(frozen=True, slots=True)
class Chart:
    """Every number is text already, so no locale can change it.

    notes are sentences below the chart; outliers are the places of points above the upper edge.
    """

    name: str
    title: str
    description: str
    x_label: str
    lines: tuple[Line, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    y_label: str = ""
    references: tuple[Reference, ...] = ()
    marks: tuple[Mark, ...] = ()
    outliers: tuple[Marker, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not any(line.path for line in self.lines)

    @property
    def has_legend(self) -> bool:
        return len(self.lines) + len(self.references) + len(self.marks) > 1


def build_chart(
    *,
    name: str,
    title: str,
    description: str,
    x_label: str,
    series: Sequence[Series],
    x_end: float = 0.0,
    x_ticks: Callable[[float], list[float]] = whole_ticks,
    y_label: str = "",
    is_log: bool = False,
    limit: float | None = None,
    references: Sequence[Reference] = (),
    marks: Sequence[Mark] = (),
    notes: Sequence[str] = (),
) -> Chart:
    """A chart from x = 0 to the last point, or to x_end when that lies further.

    Args:
        name: last word of the figure's id.
        series: drawn in this order; points with a value that is not finite are left out.
        x_end: where the x axis ends at least, so that a curve grows into its frame.
        x_ticks: round values from 0 to at least its argument.
        y_label: what stands at the upper end of the y axis.
        limit: higher points are drawn at the upper edge, with an arrow.
    """
    points = [finite(entry.points) for entry in series]
    right = max([x_end, _least_width(x_ticks), *(x for line in points for x, _ in line)])
    scale = _y_scale(points, references, limit, is_log=is_log)
    return Chart(
        name=name,
        title=title,
        description=description,
        x_label=x_label,
        lines=tuple(
            _line(entry, found, right, scale) for entry, found in zip(series, points, strict=True)
        ),
        x_ticks=tuple(
            Tick(_percent(tick / right), plain_number(tick))
            for tick in x_ticks(right)
            if tick <= right
        ),
        y_ticks=tuple(
            Tick(_percent(1 - scale.share(tick)), plain_number(tick)) for tick in scale.ticks
        ),
        y_label=y_label,
        references=tuple(
            Reference(entry.label, entry.style, entry.value, _percent(1 - scale.share(entry.value)))
            for entry in references
        ),
        marks=tuple(
            Mark(entry.label, entry.style, entry.point, _marker(entry.point, right, scale))
            for entry in marks
        ),
        outliers=_outliers(points, right, limit),
        notes=tuple(notes),
    )


def _least_width(x_ticks: Callable[[float], list[float]]) -> float:
    """Half a step is nothing; half a minute is a chart."""
    return 1.0 if x_ticks is whole_ticks else 1e-3


def _y_scale(
    lines: Sequence[Sequence[Point]],
    references: Sequence[Reference],
    limit: float | None,
    *,
    is_log: bool,
) -> Scale:
    values = [y for line in lines for _, y in line if limit is None or y <= limit]
    values += [reference.value for reference in references]
    return log_scale(values) if is_log else linear_scale(values)


def _line(series: Series, points: list[Point], right: float, scale: Scale) -> Line:
    kept = downsample(points, MAX_POINTS)
    if scale.is_log:
        kept = [(x, y) for x, y in kept if y > 0]
    shares = tuple((x / right, scale.share(y)) for x, y in kept)
    path = " ".join(
        f"{'M' if index == 0 else 'L'}{_short(x * BOX)} {_short((1 - y) * BOX)}"
        for index, (x, y) in enumerate(shares)
    )
    markers = tuple(_marker(point, right, scale) for point in kept) if series.has_markers else ()
    return Line(series.label, series.style, path, markers, shares)


def _marker(point: Point, right: float, scale: Scale) -> Marker:
    return Marker(_percent(point[0] / right), _percent(1 - scale.share(point[1])))


def _outliers(
    lines: Sequence[Sequence[Point]], right: float, limit: float | None
) -> tuple[Marker, ...]:
    if limit is None:
        return ()
    places = sorted({x for line in lines for x, y in line if y > limit})
    stride = -(-len(places) // MAX_OUTLIERS_DRAWN) or 1
    return tuple(Marker(_percent(x / right), "0%") for x in places[::stride])


def _percent(share: float) -> str:
    return f"{_short(share * 100)}%"


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
