"""Strengths from duels: the model of Bradley and Terry, fitted by maximum likelihood with a weak prior.

Pure. The probability that i wins against j is p_i / (p_i + p_j); a tie counts as half a win for both. The prior is
PRIOR_DUELS tied duels of everybody with an opponent of strength 1, which keeps all strengths finite and fixes the
scale. Strengths are told as log p. Their uncertainty comes from the curvature of the likelihood (the inverse of the
information matrix), taken around the mean of all, since duels say nothing about a strength by itself.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

PRIOR_DUELS = 0.5
CONFIDENCE = 0.95
MAX_STEPS = 100
LONGEST_STEP = 1.0
TOLERANCE = 1e-9
REMEMBERED_FITS = 64
"""Some kilobytes each; a fit is remembered under everything that it was computed from."""

Matrix = list[list[float]]


@dataclass(frozen=True, slots=True, order=True)
class Outcome:
    """What two entries did against each other; low and high are their places in the list of entries, low < high.

    Attributes:
        low_wins, high_wins: sums of weights; a tie stands in both as half.
    """

    low: int
    high: int
    low_wins: float
    high_wins: float

    @property
    def duels(self) -> float:
        return self.low_wins + self.high_wins


@dataclass(frozen=True, slots=True)
class Fit:
    """Strengths around their mean, and the covariance of their errors."""

    strengths: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]

    def interval(self, entry: int) -> tuple[float, float]:
        """Where the strength lies in 95 of 100 cases."""
        reach = _quantile(1) * math.sqrt(max(0.0, self.covariance[entry][entry]))
        return self.strengths[entry] - reach, self.strengths[entry] + reach

    def is_surely_better(self, entry: int, other: int, *, comparisons: int) -> bool:
        """Whether the duels tell the two apart, so many comparisons being made at once."""
        covariance = self.covariance
        variance = (
            covariance[entry][entry] + covariance[other][other] - 2 * covariance[entry][other]
        )
        difference = self.strengths[entry] - self.strengths[other]
        return difference > _quantile(comparisons) * math.sqrt(max(0.0, variance))


@lru_cache(maxsize=REMEMBERED_FITS)
def fit(entry_count: int, outcomes: tuple[Outcome, ...]) -> Fit:
    """The likeliest strengths of the entries."""
    if not entry_count:
        return Fit((), ())
    strengths = _strengths(entry_count, outcomes)
    mean = math.fsum(strengths) / entry_count
    powers = [math.exp(strength) for strength in strengths]
    covariance = _centred(_inverse(_information(powers, outcomes)))
    return Fit(tuple(value - mean for value in strengths), tuple(map(tuple, covariance)))


def ranks(fitted: Fit, entries: Sequence[int]) -> dict[int, tuple[int, int]]:
    """The ranks that each of these entries may have among them, from best to worst.

    Whoever the duels do not tell apart share their ranks. Each entry is compared with all others, so the margin of a
    single comparison is widened (Bonferroni): the true rank lies inside in at least 95 of 100 cases.
    """
    comparisons = max(1, len(entries) - 1)
    found = {}
    for entry in entries:
        better = worse = 0
        for other in entries:
            if other == entry:
                continue
            better += fitted.is_surely_better(other, entry, comparisons=comparisons)
            worse += fitted.is_surely_better(entry, other, comparisons=comparisons)
        found[entry] = (1 + better, len(entries) - worse)
    return found


def connected(entry_count: int, outcomes: Sequence[Outcome]) -> list[int]:
    """The largest group of entries that duels connect: only within it can strengths be compared."""
    groups = list(range(entry_count))

    def group_of(entry: int) -> int:
        while groups[entry] != entry:
            groups[entry] = entry = groups[groups[entry]]
        return entry

    for outcome in outcomes:
        if outcome.duels:
            groups[group_of(outcome.low)] = group_of(outcome.high)
    members: dict[int, list[int]] = {}
    for entry in range(entry_count):
        members.setdefault(group_of(entry), []).append(entry)
    return max(members.values(), key=len, default=[])


def win_share(difference: float) -> float:
    """How many of its duels an entry wins that is better by this difference of strengths."""
    return 1 / (1 + math.exp(-difference))


# --- the likelihood -----------------------------------------------------------------------------------


def _strengths(entry_count: int, outcomes: Sequence[Outcome]) -> list[float]:
    """By Newton's method. The likelihood has one top, and a step that is held back can not miss it."""
    strengths = [0.0] * entry_count
    for _step in range(MAX_STEPS):
        powers = [math.exp(strength) for strength in strengths]
        step = _solution(_information(powers, outcomes), _slope(powers, outcomes))
        longest = max(map(abs, step))
        share = min(1.0, LONGEST_STEP / longest) if longest else 1.0
        strengths = [
            strength + share * change for strength, change in zip(strengths, step, strict=True)
        ]
        if longest < TOLERANCE:
            break
    return strengths


def _slope(powers: Sequence[float], outcomes: Sequence[Outcome]) -> list[float]:
    """How many wins more each entry has than these powers let expect."""
    slope = [PRIOR_DUELS * (0.5 - power / (1 + power)) for power in powers]
    for outcome in outcomes:
        low, high = outcome.low, outcome.high
        excess = outcome.low_wins - outcome.duels * powers[low] / (powers[low] + powers[high])
        slope[low] += excess
        slope[high] -= excess
    return slope


def _information(powers: Sequence[float], outcomes: Sequence[Outcome]) -> Matrix:
    count = len(powers)
    matrix = [[0.0] * count for _row in range(count)]
    for entry, power in enumerate(powers):
        matrix[entry][entry] = PRIOR_DUELS * power / (1 + power) ** 2
    for outcome in outcomes:
        low, high = outcome.low, outcome.high
        value = outcome.duels * powers[low] * powers[high] / (powers[low] + powers[high]) ** 2
        matrix[low][low] += value
        matrix[high][high] += value
        matrix[low][high] -= value
        matrix[high][low] -= value
    return matrix


def _solution(matrix: Matrix, vector: Sequence[float]) -> list[float]:
    """x in matrix * x = vector, for a positive definite matrix; it is taken apart."""
    rows = [[*row, value] for row, value in zip(matrix, vector, strict=True)]
    count = len(rows)
    for pivot, own in enumerate(rows):
        tail = own[pivot:]
        for row in rows[pivot + 1 :]:
            if factor := row[pivot] / tail[0]:
                row[pivot:] = [
                    value - factor * other for value, other in zip(row[pivot:], tail, strict=True)
                ]
    solution = [0.0] * count
    for index in range(count - 1, -1, -1):
        known = sum(map(operator.mul, rows[index][index + 1 : count], solution[index + 1 :]))
        solution[index] = (rows[index][count] - known) / rows[index][index]
    return solution


def _inverse(matrix: Matrix) -> Matrix:
    """Of a positive definite matrix, by elimination; its diagonal is never zero."""
    count = len(matrix)
    rows = [
        [*row, *(1.0 if column == index else 0.0 for column in range(count))]
        for index, row in enumerate(matrix)
    ]
    for pivot in range(count):
        scale = 1 / rows[pivot][pivot]
        own = rows[pivot] = [value * scale for value in rows[pivot]]
        for index in range(count):
            factor = rows[index][pivot]
            if index != pivot and factor:
                rows[index] = [
                    value - factor * other for value, other in zip(rows[index], own, strict=True)
                ]
    return [row[count:] for row in rows]


def _centred(matrix: Matrix) -> Matrix:
    """The covariance of what is left when the mean of all is taken away."""
    count = len(matrix)
    means = [math.fsum(row) / count for row in matrix]
    mean = math.fsum(means) / count
    return [
        [value - means[row] - means[column] + mean for column, value in enumerate(values)]
        for row, values in enumerate(matrix)
    ]


@lru_cache(maxsize=256)
def _quantile(comparisons: int) -> float:
    return NormalDist().inv_cdf(1 - (1 - CONFIDENCE) / (2 * comparisons))
