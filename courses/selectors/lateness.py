"""Who passed a step after it was due. Waiting for a device is never being late."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from courses.models import CheckResult

Outcome = CheckResult.Outcome
Place = tuple[UUID, str]
"""An enrolment and a step's key."""


class Overrun(NamedTuple):
    """A step that was passed after its date."""

    due_at: datetime
    passed_at: datetime


class _Result(NamedTuple):
    check_key: str
    outcome: str
    created_at: datetime


def late_places(overruns: Mapping[Place, Overrun]) -> set[Place]:
    """Those where the student, and not a device, was what the step waited for; in one query, or in none."""
    if not overruns:
        return set()
    results: dict[Place, list[_Result]] = defaultdict(list)
    rows = (
        CheckResult.objects.filter(enrolment__in={enrolment_id for enrolment_id, _key in overruns})
        .order_by("created_at")
        .values_list("enrolment_id", "step_key", "check_key", "outcome", "created_at")
    )
    for enrolment_id, step_key, check_key, outcome, created_at in rows:
        results[enrolment_id, step_key].append(_Result(check_key, outcome, created_at))
    return {
        place
        for place, overrun in overruns.items()
        if not _waited_for_device(results.get(place, ()), overrun)
    }


def _waited_for_device(results: Iterable[_Result], overrun: Overrun) -> bool:
    """Whether at the date a device had to work, and the student had nothing to do from then on."""
    standing: dict[str, str] = {}
    after: set[str] = set()
    for result in results:
        if result.created_at <= overrun.due_at:
            standing[result.check_key] = result.outcome
        elif result.created_at <= overrun.passed_at:
            after.add(result.outcome)
    at_due = set(standing.values())
    return Outcome.WAITING in at_due and Outcome.FAIL not in at_due | after
