"""The log of what leaders do to a class and to the people in it."""

from __future__ import annotations

from typing import Any

from accounts.models import AuditEvent, Cohort, User


def note_act(
    actor: User | None,
    kind: str,
    *,
    cohort: Cohort | None = None,
    person: User | None = None,
    **details: Any,
) -> AuditEvent:
    """Write down an act in the transaction that does it.

    Args:
        kind: one of accounts.auditing_wording.
        details: what its sentence needs: ids, keys and numbers, never what a person wrote of another.
    """
    return AuditEvent.objects.create(
        actor=actor, kind=kind, cohort=cohort, person=person, details=details
    )
