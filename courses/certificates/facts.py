"""What a certificate says of a course that a person completed: numbers and digests, and nothing that a person wrote."""

from __future__ import annotations

import math
from typing import Any

from courses.certificates.sealing import as_text
from courses.models import Enrolment, Evidence
from courses.selectors.content import content_of
from courses.selectors.progress import Standing, standing_of

KINDS = {
    "dataset": "dataset",
    "job": "adapter",
    "prompt_run": "measurement",
    "hidden_measurement": "measurement",
}
"""Kinds of evidence that a certificate names, and what it calls them."""
FIGURES = (
    "examples",
    "steps",
    "first_loss",
    "last_loss",
    "baseline",
    "loss",
    "gain",
    "items",
)
DECIMALS = 4
LARGEST_FIGURE = 1e9


def facts_of(enrolment: Enrolment) -> dict[str, Any]:
    """Of a completed course; a JSON value."""
    content = content_of(enrolment.version_id)
    assert enrolment.completed_at is not None
    return {
        "course": {
            "slug": content.about.slug,
            "level": content.about.level,
            "title": {"en": content.about.title.en, "ja": content.about.title.ja},
            "version": enrolment.version.number,
            "manifest": enrolment.version.digest,
            "minutes": content.about.minutes,
        },
        "completed_at": as_text(enrolment.completed_at),
        "steps": _steps(enrolment),
        "evidence": _evidence(enrolment),
    }


def _steps(enrolment: Enrolment) -> dict[str, int]:
    standings = [item.standing for item in standing_of(enrolment).steps]
    return {
        "passed": standings.count(Standing.PASSED),
        "exempt": standings.count(Standing.EXEMPT),
        "all": len(standings),
    }


def _evidence(enrolment: Enrolment) -> list[dict[str, Any]]:
    """One entry for each thing, in the order in which it was first counted, with the figures of all checks of it."""
    entries: dict[tuple[str, str], dict[str, Any]] = {}
    rows = Evidence.objects.filter(enrolment=enrolment, kind__in=list(KINDS)).exclude(digest="")
    for row in rows.order_by("created_at", "pk"):
        kind = KINDS[row.kind]
        entry = entries.setdefault(
            (kind, row.digest),
            {"kind": kind, "step": row.step_key, "digest": row.digest, "figures": {}},
        )
        entry["figures"] |= _figures(row.facts)
    return list(entries.values())


def _figures(facts: dict[str, Any]) -> dict[str, float]:
    return {
        name: _plain(facts[name])
        for name in FIGURES
        if isinstance(facts.get(name), int | float) and _is_storable(facts[name])
    }


def _is_storable(figure: float) -> bool:
    """Whether every database gives it back as it was: the digest is made of its letters."""
    return math.isfinite(figure) and abs(figure) < LARGEST_FIGURE


def _plain(figure: float) -> float:
    if isinstance(figure, int):
        return figure
    # Adding nothing turns the negative zero into the other one, which is all that PostgreSQL has.
    return round(figure, DECIMALS) + 0.0
