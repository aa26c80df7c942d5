"""A histogram of lengths with a line at the maximum, as positions that a template draws.

Knows neither words nor colours. Positions are percentages as text, so that neither a screen nor a locale changes them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

BARS = 32
"""About as many bars are drawn."""

STEPS = (1, 2, 5, 10)
X_TICKS = 5
Y_TICKS = 3
LINE_IN_SIGHT = 3
"""The line is drawn where it lies within so many times the longest example; beyond, the bars would be too thin."""

BARS_IN_SIGHT = 4
"""Lengths beyond so many times the line stand together in the last bar."""


WORDS_BEFORE = 0.45
"""Beyond this share of the width, the words beside the line would leave a small screen."""


@dataclass(frozen=True, slots=True)
class Bar:
    """Examples of like length.

    Attributes:
        first, last: the lengths it counts.
        count: how many there are.
        x, width: where it stands.
        fitting_y, fitting_height: its lower part, of examples within the maximum.
        long_y, long_height: its upper part, of those beyond.
    """

    first: int
    last: int
    count: int
    x: str
    width: str
    fitting_y: str
    fitting_height: str
    long_y: str
    long_height: str


@dataclass(frozen=True, slots=True)
class Tick:
    position: str
    value: int


@dataclass(frozen=True, slots=True)
class Histogram:
    """Attributes:
    line: where the maximum lies; empty where it lies beyond the right edge.
    is_line_late: whether words beside the line stand better on its left.
    is_open: whether the last bar holds everything longer as well.
    """

    bars: tuple[Bar, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    line: str
    is_line_late: bool
    is_open: bool


def histogram(lengths: Sequence[int], max_length: int) -> Histogram:
    """Bars over lengths, of which there is at least one."""
    longest = max(lengths)
    in_sight = max(longest, max_length) if max_length <= LINE_IN_SIGHT * longest else longest
    reach = min(in_sight, BARS_IN_SIGHT * max_length)
    width = whole_step(reach / BARS)
    # The maximum itself fits, so its bar begins after it.
    bar_count = reach // width + 1
    end = bar_count * width
    fitting: Counter[int] = Counter()
    long: Counter[int] = Counter()
    for length in lengths:
        part = fitting if length <= max_length else long
        part[min(length // width, bar_count - 1)] += 1
    highest = max(fitting[index] + long[index] for index in range(bar_count))
    y_values = _whole_values(highest, Y_TICKS, reaches_end=True)
    top = y_values[-1]
    return Histogram(
        bars=tuple(
            _bar(index, width, end, fitting[index], long[index], top)
            for index in range(bar_count)
            if fitting[index] or long[index]
        ),
        x_ticks=tuple(
            Tick(_percent(value / end), value)
            for value in _whole_values(end, X_TICKS, reaches_end=False)
        ),
        y_ticks=tuple(Tick(_percent(1 - value / top), value) for value in y_values),
        line=_percent(max_length / end) if max_length < end else "",
        is_line_late=max_length > WORDS_BEFORE * end,
        is_open=longest >= end,
    )


def whole_step(least: float) -> int:
    """The smallest of 1, 2, 5, 10, 20, 50 and so on that is at least so much."""
    if least <= 1:
        return 1
    magnitude = 10 ** math.floor(math.log10(least))
    return next(factor * magnitude for factor in STEPS if factor * magnitude >= least * (1 - 1e-9))


def _whole_values(highest: int, count: int, *, reaches_end: bool) -> list[int]:
    step = whole_step(highest / count)
    steps = -(-highest // step) if reaches_end else highest // step
    return [index * step for index in range(steps + 1)]


def _bar(index: int, width: int, end: int, fitting: int, long: int, top: int) -> Bar:
    return Bar(
        first=index * width,
        last=(index + 1) * width - 1,
        count=fitting + long,
        x=_percent(index * width / end),
        width=_percent(width / end),
        fitting_y=_percent(1 - fitting / top),
        fitting_height=_percent(fitting / top),
        long_y=_percent(1 - (fitting + long) / top),
        long_height=_percent(long / top),
    )


def _percent(share: float) -> str:
    return f"{100 * share:.2f}%"
