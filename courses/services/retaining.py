"""How long the work of a class is kept."""

from __future__ import annotations

from django.db import transaction

from accounts.auditing import note_act
from accounts.models import Cohort, User


def set_retention(leader: User, cohort: Cohort, days: int | None) -> bool:
    """So many days after the last day, or for ever; whether that is a change."""
    with transaction.atomic():
        current = Cohort.objects.select_for_update().get(pk=cohort.pk)
        if current.retention_days == days:
            return False
        current.retention_days = days
        current.save(update_fields=["retention_days"])
        note_act(leader, "cohort_changed", cohort=current, what="retention_days", days=days)
    cohort.retention_days = days
    return True
