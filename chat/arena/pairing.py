"""Which two adapters meet next. Pure.

Likelier are pairs that have met seldom, entries that have few duels at all, and two that are about equally strong:
there a vote says most. A pair on which the voter has said enough comes only where nothing else is left.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from random import Random

from chat.arena.ballots import VOTES_PER_PAIR, Pair

NEAR = 1.0
"""Strengths this far apart (odds of e to one) meet e times more seldom than equal ones."""
SAID_ENOUGH = 1e-4


def choose_pair(
    places: Sequence[int],
    *,
    met: Mapping[Pair, float],
    own: Mapping[Pair, int],
    strengths: Sequence[float],
    draw: Random,
) -> tuple[int, int]:
    """Two of the places, in the order in which their answers are shown: either order is as likely.

    Args:
        places: of the entries that the voter may judge, at least two.
        met: how often each pair has met.
        own: how often the voter has voted on it.
        strengths: of all entries.
    """
    duels = dict.fromkeys(places, 0.0)
    for pair, count in met.items():
        for place in pair:
            if place in duels:
                duels[place] += count
    pairs = list(combinations(sorted(places), 2))
    weights = [
        _weight(
            distance=abs(strengths[low] - strengths[high]),
            met=met.get((low, high), 0.0),
            fewest=min(duels[low], duels[high]),
            own=own.get((low, high), 0),
        )
        for low, high in pairs
    ]
    low, high = draw.choices(pairs, weights)[0]
    return (low, high) if draw.random() < 0.5 else (high, low)


def _weight(*, distance: float, met: float, fewest: float, own: int) -> float:
    weight = math.exp(-distance / NEAR) / ((1 + met) * (1 + fewest))
    return weight * SAID_ENOUGH if own >= VOTES_PER_PAIR else weight
