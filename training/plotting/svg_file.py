"""A chart as one SVG file that any program can open: its own colours, fixed places, no style sheet, no script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.template.loader import render_to_string

from training.charts import Chart, Marker
from training.plotting.lines import Point

WIDTH, HEIGHT = 960, 540
LEFT, RIGHT, TOP, BOTTOM = 84, 36, 112, 92
LEGEND_WIDTH = 210


@dataclass(frozen=True, slots=True)
class Ink:
    """How a style is drawn on white paper."""

    colour: str
    width: float = 2.0
    dashes: str = ""
    opacity: float = 1.0


USUAL_INK = Ink("#a8431a", 2.5)
INKS = {
    "main": USUAL_INK,
    "raw": Ink("#a8431a", 1.25, opacity=0.45),
    "held-out": Ink("#155e63", 2.25, "8 5"),
    "baseline": Ink("#4f5d7a", 2.0, "2 5"),
    "best": Ink("#155e63", 2.5),
    "rate": Ink("#4f5d7a"),
    "gradient": Ink("#4f5d7a"),
    "speed": Ink("#4f5d7a"),
}


@dataclass(frozen=True, slots=True)
class Key:
    """One entry of the legend, drawn at x and y."""

    label: str
    x: int
    y: int
    ink: Ink
    is_line: bool = True
    has_markers: bool = False


def standalone_svg(chart: Chart, *, subtitle: str) -> str:
    """The chart as a whole SVG document.

    Args:
        subtitle: what the chart belongs to, as the job's name.
    """
    context = {
        "chart": chart,
        "subtitle": subtitle,
        "width": WIDTH,
        "height": HEIGHT,
        "left": LEFT,
        "right": WIDTH - RIGHT,
        "top": TOP,
        "bottom": HEIGHT - BOTTOM,
        "x_ticks": [(_across(tick.position), tick.label) for tick in chart.x_ticks],
        "y_ticks": [(_down(tick.position), tick.label) for tick in chart.y_ticks],
        "lines": [
            (
                _points(line.shares),
                _ink(line.style),
                [(_across(marker.x), _down(marker.y)) for marker in line.markers],
            )
            for line in chart.lines
            if line.shares
        ],
        "references": [(_down(entry.position), _ink(entry.style)) for entry in chart.references],
        "marks": [(*_place(entry.marker), _ink(entry.style)) for entry in chart.marks],
        "outliers": [_place(marker) for marker in chart.outliers],
        "keys": _keys(chart) if chart.has_legend else [],
    }
    return render_to_string("training/chart_file.svg", context)


def _keys(chart: Chart) -> list[Key]:
    entries = [(line.label, line.style, True, bool(line.markers)) for line in chart.lines]
    entries += [(entry.label, entry.style, True, False) for entry in chart.references]
    entries += [(entry.label, entry.style, False, False) for entry in chart.marks]
    return [
        Key(
            label,
            LEFT + index % 4 * LEGEND_WIDTH,
            78 + index // 4 * 20,
            _ink(style),
            is_line,
            has_markers,
        )
        for index, (label, style, is_line, has_markers) in enumerate(entries)
    ]


def _ink(style: str) -> Ink:
    return INKS.get(style, USUAL_INK)


def _points(shares: Sequence[Point]) -> str:
    return " ".join(
        f"{LEFT + x * (WIDTH - LEFT - RIGHT):.1f},{HEIGHT - BOTTOM - y * (HEIGHT - TOP - BOTTOM):.1f}"
        for x, y in shares
    )


def _place(marker: Marker) -> tuple[str, str]:
    return _across(marker.x), _down(marker.y)


def _across(position: str) -> str:
    return f"{LEFT + _share(position) * (WIDTH - LEFT - RIGHT):.1f}"


def _down(position: str) -> str:
    return f"{TOP + _share(position) * (HEIGHT - TOP - BOTTOM):.1f}"


def _share(percent: str) -> float:
    return float(percent.removesuffix("%")) / 100
