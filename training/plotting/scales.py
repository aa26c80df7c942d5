"""Axes: where they begin and end, at which round values they carry ticks, and how a value is written."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

TICK_FACTORS = (1.0, 2.0, 5.0, 10.0)
NARROW_SHARE = 0.25
"""An axis that starts at 0 would show values that differ by less than this share as one flat line."""
OUTLIER_FACTOR = 3.0
MIN_VALUES_FOR_OUTLIERS = 5
MAX_LOG_TICKS = 7


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis from low to high."""

    low: float
    high: float
    ticks: tuple[float, ...]
    is_log: bool = False

    def share(self, value: float) -> float:
        """Where value lies between the ends, 0 to 1; what lies outside is drawn at the end."""
        low, high = self.low, self.high
        if self.is_log:
            low, high, value = math.log10(low), math.log10(high), math.log10(max(value, self.low))
        return min(1.0, max(0.0, (value - low) / (high - low)))


def linear_scale(values: Sequence[float]) -> Scale:
    """An axis from 0, unless that would flatten values which are all far from 0."""
    highest, lowest = max(values, default=1.0), min(values, default=0.0)
    floor = lowest if 0 < highest - lowest < NARROW_SHARE * highest else 0.0
    ticks = nice_ticks(highest, lowest=floor)
    return Scale(ticks[0], ticks[-1], tuple(ticks))


def log_scale(values: Sequence[float]) -> Scale:
    """A logarithmic axis over the positive values, with round ends."""
    positive = [value for value in values if value > 0] or [1.0]
    low, high = _round_down(min(positive)), _round_up(max(positive))
    if low >= high:
        high = _round_up(low * 1.01)
    exponents = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    fine = [factor * 10.0**exponent for exponent in exponents for factor in TICK_FACTORS[:3]]
    ticks = [tick for tick in fine if low * 0.999 <= tick <= high * 1.001]
    if len(ticks) > MAX_LOG_TICKS:
        ticks = [tick for tick in ticks if abs(math.log10(tick) % 1) in (0.0, 1.0)]
    stride = max(1, math.ceil(len(ticks) / MAX_LOG_TICKS))
    return Scale(low, high, tuple(ticks[::stride]), is_log=True)


def _round_down(value: float) -> float:
    magnitude = 10.0 ** math.floor(math.log10(value))
    return (
        max(factor for factor in TICK_FACTORS if factor * magnitude <= value * (1 + 1e-9))
        * magnitude
    )


def _round_up(value: float) -> float:
    magnitude = 10.0 ** math.floor(math.log10(value))
    return (
        min(factor for factor in TICK_FACTORS if factor * magnitude >= value * (1 - 1e-9))
        * magnitude
    )


def nice_ticks(highest: float, count: int = 4, *, lowest: float = 0.0) -> list[float]:
    """Round values from at most lowest to the first one that reaches highest, about count of them."""
    if not math.isfinite(highest) or highest <= lowest:
        highest = lowest + 1.0
    raw = (highest - lowest) / count
    magnitude = 10.0 ** math.floor(math.log10(raw))
    step = next(
        factor * magnitude for factor in TICK_FACTORS if factor * magnitude >= raw * (1 - 1e-9)
    )
    first = math.floor(lowest / step + 1e-9)
    last = math.ceil(highest / step - 1e-9)
    return [index * step for index in range(first, last + 1)]


def whole_ticks(highest: float) -> list[float]:
    """As nice_ticks, for things that are counted."""
    if highest < len(TICK_FACTORS):
        return [float(value) for value in range(math.ceil(highest) + 1)]
    return nice_ticks(highest)


def outlier_limit(values: Sequence[float], usual: float = 0.0) -> float | None:
    """The highest value that still belongs to the rest, where some would flatten all others; else None.

    Args:
        values: in the order of measurement: a curve may rightly begin high.
        usual: a value that is known to be usual, as the untouched base model's.
    """
    if len(values) < MIN_VALUES_FOR_OUTLIERS:
        return None
    head = statistics.median(values[: max(3, len(values) // 20)])
    limit = OUTLIER_FACTOR * max(usual, head, statistics.median(values))
    inside = [value for value in values if value <= limit]
    return max(inside) if 0 < len(inside) < len(values) else None


def plain_number(value: float) -> str:
    """Few digits, a point, no grouping: 0.25, 1500, 2e-5."""
    text = f"{value:.0f}" if 1000 <= value < 1e6 else f"{value:.3g}"
    mantissa, mark, exponent = text.partition("e")
    return f"{mantissa}e{int(exponent)}" if mark else text
