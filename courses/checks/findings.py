"""What a predicate found, with the numbers that its sentence needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from courses.models import CheckResult

Outcome = CheckResult.Outcome


@dataclass(frozen=True, slots=True)
class Proof:
    """Something of the student's that was counted: a row of Evidence.

    Attributes:
        kind: dataset, job, reply, vote, prompt_run, hidden_measurement, quiz_answer, reflection or page.
        digest: sha256 of what it held, where there is one.
    """

    kind: str
    subject_id: str
    digest: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finding:
    """
    Attributes:
        reason: a code; with observed and wanted it makes the sentence (courses.wording.reasons).
        observed, wanted: JSON values.
    """

    outcome: Outcome
    reason: str = ""
    observed: dict[str, Any] = field(default_factory=dict)
    wanted: dict[str, Any] = field(default_factory=dict)
    proofs: tuple[Proof, ...] = ()


def passed(*proofs: Proof, **observed: Any) -> Finding:
    return Finding(Outcome.PASS, observed=observed, proofs=proofs)


def failed(
    reason: str, *, observed: dict[str, Any] | None = None, wanted: dict[str, Any] | None = None
) -> Finding:
    """Not yet: the sentence of the reason says what is there, what is wanted and what to do."""
    return Finding(Outcome.FAIL, reason, observed or {}, wanted or {})


def waiting(reason: str, **observed: Any) -> Finding:
    """The student has done it; a device or a worker has not yet."""
    return Finding(Outcome.WAITING, reason, observed)
