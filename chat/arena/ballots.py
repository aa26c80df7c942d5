"""The votes of an arena, and how much each of them weighs.

A vote counts when it was given blind in a duel whose names are told now, when both answers were complete, when both
adapters still take part, and when none of them is the voter's own. One person's votes on the same two adapters weigh as
VOTES_PER_PAIR at most, all together: who votes thirty times on one pair says no more than who votes three times.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from accounts.models import Cohort
from chat.arena.entries import Entry
from chat.arena.rating import Outcome
from chat.models import Answerer, ChatSession, Reply, Vote

VOTES_PER_PAIR = 3
Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Ballot:
    """One vote on two entries, by their places in the list of entries, the lower one first.

    Attributes:
        winner: place of the better one; None for a tie and for no good answer.
    """

    voter_id: int
    pair: Pair
    verdict: str
    winner: int | None


def ballots_of(cohort: Cohort, entries: Sequence[Entry]) -> list[Ballot]:
    """The votes that count, in three queries, however many there are."""
    places = {entry.job_id: place for place, entry in enumerate(entries)}
    duels = ChatSession.objects.filter(
        cohort=cohort, kind=ChatSession.Kind.DUEL, is_blind=True, revealed_at__isnull=False
    ).order_by()
    votes = Vote.objects.filter(message__session__in=duels, was_blind=True).order_by()
    jobs: dict[UUID, dict[UUID, UUID | None]] = defaultdict(dict)
    rows = Answerer.objects.filter(session__in=duels).order_by()
    for session_id, answerer_id, job_id in rows.values_list("session_id", "pk", "job_id"):
        jobs[session_id][answerer_id] = job_id
    incomplete = set(
        Reply.objects.filter(message__session__in=duels)
        .exclude(status=Reply.Status.COMPLETED)
        .order_by()
        .values_list("message__session_id", flat=True)
    )
    found = []
    for session_id, voter_id, verdict, winner_id in votes.values_list(
        "message__session_id", "message__session__owner_id", "verdict", "winner_id"
    ):
        pair = [places[job_id] for job_id in jobs[session_id].values() if job_id in places]
        is_own = any(entries[place].owner_id == voter_id for place in pair)
        if len(pair) != 2 or is_own or session_id in incomplete:
            continue
        winner_job = jobs[session_id].get(winner_id) if winner_id else None
        winner = places.get(winner_job) if winner_job else None
        found.append(Ballot(voter_id, (min(pair), max(pair)), verdict, winner))
    return found


def outcomes_of(ballots: Iterable[Ballot]) -> tuple[Outcome, ...]:
    """What the votes say of each pair. That none was good tells nothing of which was better."""
    compared = [ballot for ballot in ballots if ballot.verdict != Vote.Verdict.NONE]
    counts = Counter((ballot.voter_id, ballot.pair) for ballot in compared)
    wins: dict[Pair, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for ballot in compared:
        weight = min(1.0, VOTES_PER_PAIR / counts[ballot.voter_id, ballot.pair])
        if ballot.winner is None:
            wins[ballot.pair][0] += weight / 2
            wins[ballot.pair][1] += weight / 2
        else:
            wins[ballot.pair][ballot.pair.index(ballot.winner)] += weight
    return tuple(
        Outcome(low, high, round(won, 6), round(lost, 6))
        for (low, high), (won, lost) in sorted(wins.items())
    )


def votes_on_pairs(ballots: Iterable[Ballot], voter_id: int) -> Counter[Pair]:
    """How often one person has voted on each pair, whatever they said."""
    return Counter(ballot.pair for ballot in ballots if ballot.voter_id == voter_id)
