"""What few numbers can tell: means with the range that is plausible for them, and differences between two models."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

RESAMPLES = 1_000
SEED = 20_260_101
"""Fixed, so that the same answers always give the same range."""
Z95 = 1.959964
MIN_DIFFERENT = 6
"""Fewer questions that differ can all fall on one side by chance more often than once in twenty times."""

Verdict = Literal["better", "worse", "unclear"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its 95 % interval."""

    mean: float
    low: float
    high: float
    count: int


@dataclass(frozen=True, slots=True)
class Difference:
    """One model against another over the questions that both were measured on.

    Attributes:
        wins, losses, ties: on how many questions the model is better, worse, the same.
        estimate: of the mean difference; more is better, whatever the measure.
        verdict: unclear where it is too few to tell.
    """

    wins: int
    losses: int
    ties: int
    estimate: Estimate
    verdict: Verdict


def mean_of(values: Sequence[float]) -> Estimate | None:
    """The mean, with an interval from resampling the questions; None without values."""
    if not values:
        return None
    low, high = _interval(values)
    return Estimate(math.fsum(values) / len(values), low, high, len(values))


def share_of(flags: Sequence[bool]) -> Estimate | None:
    """The share of the true ones, with Wilson's interval: resampling would call 0 of 5 a certain zero."""
    count = len(flags)
    if not count:
        return None
    share = sum(flags) / count
    centre = (share + Z95**2 / (2 * count)) / (1 + Z95**2 / count)
    spread = math.sqrt(share * (1 - share) / count + Z95**2 / (4 * count**2))
    half = Z95 * spread / (1 + Z95**2 / count)
    return Estimate(share, max(0.0, centre - half), min(1.0, centre + half), count)


def difference_of(gains: Sequence[float]) -> Difference | None:
    """The difference between two models.

    Args:
        gains: for each question by how much the first model is better; negative where it is worse.
    """
    estimate = mean_of(gains)
    if estimate is None:
        return None
    wins, losses = sum(gain > 0 for gain in gains), sum(gain < 0 for gain in gains)
    verdict: Verdict = "unclear"
    if wins + losses >= MIN_DIFFERENT and estimate.low > 0:
        verdict = "better"
    elif wins + losses >= MIN_DIFFERENT and estimate.high < 0:
        verdict = "worse"
    return Difference(wins, losses, len(gains) - wins - losses, estimate, verdict)


def _interval(values: Sequence[float]) -> tuple[float, float]:
    """Between which 95 % of the means of resampled questions lie."""
    count = len(values)
    means = sorted(math.fsum(values[index] for index in draw) / count for draw in _draws(count))
    skipped = round(RESAMPLES * 0.025)
    return means[skipped], means[-skipped - 1]


@lru_cache(maxsize=8)
def _draws(count: int) -> tuple[tuple[int, ...], ...]:
    """Which questions are drawn, with repetition, for each resample."""
    chance = random.Random(SEED + count)  # noqa: S311 - nothing secret
    return tuple(tuple(chance.choices(range(count), k=count)) for _ in range(RESAMPLES))
