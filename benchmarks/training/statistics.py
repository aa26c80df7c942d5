"""Medians and their uncertainty."""

from __future__ import annotations

import random
import statistics
from collections.abc import Sequence
from typing import NamedTuple

RESAMPLES = 2000
FEWEST = 3
"""Fewer values than this have no interval."""


class Estimate(NamedTuple):
    """A median with its 95 % interval; `low` and `high` are None when there were too few values to tell."""

    median: float
    low: float | None
    high: float | None
    count: int

    def text(self, digits: int = 0, unit: str = "") -> str:
        """`512 (498-530)`, with the number of values where an interval is missing."""
        middle = f"{self.median:.{digits}f}{unit}"
        if self.low is None or self.high is None:
            return f"{middle} (n = {self.count})"
        return f"{middle} ({self.low:.{digits}f}-{self.high:.{digits}f})"


def estimate(values: Sequence[float]) -> Estimate:
    """The median, and the interval of medians of samples drawn from the values with replacement (Efron 1979)."""
    median = statistics.median(values)
    if len(values) < FEWEST:
        return Estimate(median, None, None, len(values))
    draw = random.Random(0)
    medians = sorted(
        statistics.median(draw.choices(values, k=len(values))) for _ in range(RESAMPLES)
    )
    low, high = medians[int(0.025 * RESAMPLES)], medians[int(0.975 * RESAMPLES) - 1]
    return Estimate(median, low, high, len(values))
