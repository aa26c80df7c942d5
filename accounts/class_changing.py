"""Make a class, and change what it is."""

from __future__ import annotations

from django.db import transaction

from accounts.auditing import note_act
from accounts.models import Cohort, Membership, User


@transaction.atomic
def make_class(maker: User, cohort: Cohort) -> Cohort:
    """Store a new class; who makes it is its first instructor."""
    cohort.save(force_insert=True)
    Membership.objects.create(cohort=cohort, user=maker, role=Membership.Role.INSTRUCTOR)
    note_act(maker, "class_made", cohort=cohort)
    return cohort


@transaction.atomic
def change_class(actor: User, cohort: Cohort, changed: list[str]) -> Cohort:
    """Store what was changed in it.

    Args:
        changed: names of the fields.
    """
    if changed:
        cohort.save(update_fields=changed)
        note_act(actor, "cohort_changed", cohort=cohort, fields=sorted(changed))
    return cohort
