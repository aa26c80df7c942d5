"""The order of a class's adapters, as far as the votes tell it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from accounts.models import Cohort
from chat.arena.ballots import Ballot, ballots_of, outcomes_of
from chat.arena.entries import Entry, entries_of
from chat.arena.rating import Fit, Outcome, connected, fit, ranks
from chat.models import Vote

MIN_DUELS = 10
"""With fewer an entry has no rank: the interval would span nearly the whole class."""
MIN_RANKED = 2
MEAN_SCORE = 1000
POINTS_PER_TENFOLD = 400
"""As in chess: 400 points more are odds of ten to one."""


@dataclass(frozen=True, slots=True)
class Rank:
    """Where an entry stands.

    Attributes:
        score: MEAN_SCORE is the mean of the class.
        low, high: the 95 % interval of the score.
        best, worst: the ranks that it may have.
    """

    score: int
    low: int
    high: int
    best: int
    worst: int

    @property
    def is_exact(self) -> bool:
        return self.best == self.worst


@dataclass(frozen=True, slots=True)
class Standing:
    """One entry with its duels.

    Attributes:
        duels: those in which one of the two was chosen, or both were called equally good.
        none_good: those in which neither answer was good, which say nothing about the order.
        rank: None while it is not known yet.
        missing_duels: until there can be a rank; 0 where only the link to the others is missing.
    """

    entry: Entry
    duels: int
    wins: int
    ties: int
    none_good: int
    rank: Rank | None
    missing_duels: int


@dataclass(frozen=True, slots=True)
class Board:
    """All entries: those with a rank first, the best of them first.

    Attributes:
        vote_count: votes that count, those for none included.
    """

    standings: list[Standing]
    vote_count: int

    @property
    def ranked(self) -> list[Standing]:
        return [standing for standing in self.standings if standing.rank is not None]


@dataclass(frozen=True, slots=True)
class Arena:
    """Everything that one look at an arena needs."""

    entries: list[Entry]
    ballots: list[Ballot]
    outcomes: tuple[Outcome, ...]
    fitted: Fit


def read_arena(cohort: Cohort) -> Arena:
    """In four queries; the strengths are remembered under the outcomes that they come from."""
    entries = entries_of(cohort)
    ballots = ballots_of(cohort, entries) if entries else []
    outcomes = outcomes_of(ballots)
    return Arena(entries, ballots, outcomes, fit(len(entries), outcomes))


def board_of(arena: Arena) -> Board:
    weights, tallies = _weights(arena), _tallies(arena)
    standings = [
        _standing(entry, tallies[place], weights[place], rank)
        for place, (entry, rank) in enumerate(
            zip(arena.entries, _ranks(arena, weights), strict=True)
        )
    ]
    return Board(sorted(standings, key=_order), len(arena.ballots))


def points(strength: float) -> int:
    return round(MEAN_SCORE + POINTS_PER_TENFOLD * strength / math.log(10))


def _order(standing: Standing) -> tuple[float, int, str]:
    score = standing.rank.score if standing.rank is not None else -math.inf
    return -score, -standing.duels, standing.entry.name


def _ranks(arena: Arena, weights: Sequence[float]) -> list[Rank | None]:
    """Of every entry; only those that duels link can be compared."""
    count = len(arena.entries)
    linked = connected(count, arena.outcomes)
    ranked = [place for place in linked if weights[place] >= MIN_DUELS]
    found: list[Rank | None] = [None] * count
    if len(ranked) < MIN_RANKED:
        return found
    for place, (best, worst) in ranks(arena.fitted, ranked).items():
        low, high = arena.fitted.interval(place)
        score = points(arena.fitted.strengths[place])
        found[place] = Rank(score, points(low), points(high), best, worst)
    return found


def _weights(arena: Arena) -> list[float]:
    """How many duels of each entry count."""
    weights = [0.0] * len(arena.entries)
    for outcome in arena.outcomes:
        weights[outcome.low] += outcome.duels
        weights[outcome.high] += outcome.duels
    return weights


def _tallies(arena: Arena) -> list[Counter[str]]:
    """How often each entry was in a duel of each verdict, and how often it won ("won")."""
    tallies: list[Counter[str]] = [Counter() for _entry in arena.entries]
    for ballot in arena.ballots:
        for place in ballot.pair:
            tallies[place][ballot.verdict] += 1
        if ballot.winner is not None:
            tallies[ballot.winner]["won"] += 1
    return tallies


def _standing(entry: Entry, tally: Counter[str], weight: float, rank: Rank | None) -> Standing:
    return Standing(
        entry=entry,
        duels=tally[Vote.Verdict.BETTER] + tally[Vote.Verdict.TIE],
        wins=tally["won"],
        ties=tally[Vote.Verdict.TIE],
        none_good=tally[Vote.Verdict.NONE],
        rank=rank,
        missing_duels=max(0, math.ceil(MIN_DUELS - weight)),
    )
