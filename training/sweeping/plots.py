"""The result against the varied value: one line, or one for each value of the second setting."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from common.sentences import joined
from training.charts import Point, Tick
from training.comparing.plots import LineOrder, Plot, build_plot
from training.models import TrainingJob
from training.sweeping.axes import Axis, listed
from training.sweeping.board import SweepBoard, SweepRow

LOG_SPREAD = 10.0
"""Values that span more than this factor stand on a logarithmic axis."""
EDGE = 0.04
"""Room at both ends of the x axis, as a share of it."""
LEAST_LABEL_GAP = 0.16
"""Labels closer than this would run into each other on a phone."""

Words = Callable[[Any, str], str]


@dataclass(frozen=True, slots=True)
class Places:
    """Where the values of an axis lie, as shares of the width; those of a choice lie evenly spread."""

    axis: Axis
    is_log: bool
    shares: dict[Any, float]


def plot_of(board: SweepBoard, title: str, words: Words) -> Plot | None:
    """The plot, or None while no job has a result.

    Args:
        title: the name of the loss that is drawn.
        words: a value of a named parameter as people read it.
    """
    if not board.axes or all(row.value is None for row in board.rows):
        return None
    across, other = _across(board.axes)
    places = _places(board.axes[across])
    lines = list(_lines(board, across, other, places, words))
    x_label = places.axis.label
    if places.is_log:
        x_label = _("%(setting)s, logarithmic") % {"setting": x_label}
    plot = build_plot(
        name="sweep",
        title=title,
        description=_description(board, words),
        x_label=x_label,
        lines=lines,
        x_end=1.0,
        x_ticks=lambda _end: [],
        notes=list(_notes(board)),
    )
    return replace(plot, x_ticks=_ticks(places, words))


def _across(axes: Sequence[Axis]) -> tuple[int, int | None]:
    """The axis that the picture has below, and the one whose values are lines: a choice makes lines where it can."""
    if len(axes) == 1:
        return 0, None
    if not axes[0].is_number and axes[1].is_number:
        return 1, 0
    return 0, 1


def _places(axis: Axis) -> Places:
    values = sorted(axis.values) if axis.is_number else list(axis.values)
    is_log = axis.is_number and values[0] > 0 and values[-1] / values[0] > LOG_SPREAD
    if not axis.is_number:
        heights = [float(index) for index in range(len(values))]
    else:
        heights = [math.log10(value) if is_log else float(value) for value in values]
    low, width = heights[0], heights[-1] - heights[0]
    shares = {
        value: EDGE + (1 - 2 * EDGE) * (height - low) / width
        for value, height in zip(values, heights, strict=True)
    }
    return Places(axis, is_log, shares)


def _ticks(places: Places, words: Words) -> tuple[Tick, ...]:
    """Every value that was tried, as far as the labels have room; the first and the last always."""
    ticks: list[Tick] = []
    shown = -1.0
    last = max(places.shares.values())
    for value, share in places.shares.items():
        has_room = share - shown >= LEAST_LABEL_GAP and last - share >= LEAST_LABEL_GAP
        if has_room or share == last or not ticks:
            text = words(value, places.axis.parameter_name)
            ticks.append(Tick(f"{share * 100:.1f}%", text))
            shown = share
    return tuple(ticks)


def _lines(
    board: SweepBoard, across: int, other: int | None, places: Places, words: Words
) -> Iterator[LineOrder]:
    if other is None:
        yield LineOrder(places.axis.label, 0, _segments(board.rows, across, places))
        return
    axis = board.axes[other]
    for number, value in enumerate(axis.values):
        rows = [row for row in board.rows if row.combination[other] == value]
        label = f"{axis.label} {words(value, axis.parameter_name)}"
        yield LineOrder(label, number, _segments(rows, across, places))


def _segments(rows: Sequence[SweepRow], across: int, places: Places) -> list[list[Point]]:
    """The results by place; where one is missing, the line is interrupted."""
    segments: list[list[Point]] = [[]]
    for row in sorted(rows, key=lambda row: places.shares[row.combination[across]]):
        if row.value is not None:
            segments[-1].append((places.shares[row.combination[across]], row.value))
        elif segments[-1]:
            segments.append([])
    return [segment for segment in segments if segment]


def _description(board: SweepBoard, words: Words) -> str:
    return joined(
        _("%(values)s: %(loss).3f.")
        % {
            "values": row_words(row, words),
            "loss": row.value,
        }
        for row in board.rows
        if row.value is not None
    )


def row_words(row: SweepRow, words: Words) -> str:
    """The values of a row with their settings' names."""
    return listed(f"{axis.label} {words(value, axis.parameter_name)}" for axis, value in row.pairs)


def _notes(board: SweepBoard) -> Iterator[str]:
    """Why some values have no point."""
    counts = board.counts
    failed = counts[TrainingJob.Status.FAILED]
    cancelled = counts[TrainingJob.Status.CANCELLED]
    if failed:
        yield ngettext(
            "%(count)d job failed, so its value has no point and the line has a gap there.",
            "%(count)d jobs failed, so their values have no point and the lines have gaps there.",
            failed,
        ) % {"count": failed}
    if cancelled:
        yield ngettext(
            "%(count)d job was cancelled and has no point.",
            "%(count)d jobs were cancelled and have no point.",
            cancelled,
        ) % {"count": cancelled}
    if board.is_active:
        yield _("Jobs that wait or run get their points when they are complete.")
