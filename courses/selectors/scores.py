"""What steps count: the newest decision of a person holds; without one, what evidence gave."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple
from uuid import UUID

from django.db.models import QuerySet

from courses.models import Enrolment, ScoreEvent

Kind = ScoreEvent.Kind


class Entry(NamedTuple):
    """As much of a ScoreEvent as the fold reads."""

    pk: UUID
    kind: str
    points: float
    reason: str


@dataclass(frozen=True, slots=True)
class Score:
    """
    Attributes:
        points: what counts; nothing for an exempt step, which is left out of the total.
        evidence_points: what evidence alone gives.
        newest_id: of the last event, so that who decides can tell what they have seen.
    """

    points: float = 0.0
    evidence_points: float = 0.0
    is_decided: bool = False
    is_exempt: bool = False
    newest_id: UUID | None = None


NO_SCORE = Score()


def fold_score(entries: Iterable[Entry]) -> Score:
    """
    Args:
        entries: of one person and one step, the oldest first.
    """
    evidence, newest_id = 0.0, None
    decision: Entry | None = None
    for entry in entries:
        newest_id = entry.pk
        if entry.kind in ScoreEvent.DECISIONS:
            decision = entry
        elif entry.reason:
            decision = None
        else:
            evidence = entry.points
    if decision is None:
        return Score(evidence, evidence, newest_id=newest_id)
    is_exempt = decision.kind == Kind.EXEMPT
    points = 0.0 if is_exempt else decision.points
    return Score(points, evidence, is_decided=True, is_exempt=is_exempt, newest_id=newest_id)


def scores_of(enrolments: QuerySet[Enrolment] | Iterable[UUID]) -> dict[UUID, dict[str, Score]]:
    """By enrolment and step, of steps that have any score; in one query."""
    events = ScoreEvent.objects.filter(enrolment__in=enrolments)
    rows = events.order_by("enrolment", "step_key", "created_at").values_list(
        "enrolment_id", "step_key", "pk", "kind", "points", "reason"
    )
    found: dict[UUID, dict[str, Score]] = defaultdict(dict)
    # One after another: a whole class has thousands of rows, of which nothing is kept but the folds.
    for (enrolment_id, step_key), own in groupby(rows.iterator(), key=itemgetter(0, 1)):
        found[enrolment_id][step_key] = fold_score(Entry(*row[2:]) for row in own)
    return found


def score_of(enrolment: Enrolment, step_key: str) -> Score:
    events = ScoreEvent.objects.filter(enrolment=enrolment, step_key=step_key)
    rows = events.order_by("created_at").values_list("pk", "kind", "points", "reason")
    return fold_score(Entry(*row) for row in rows)
