"""That a leader or observer looked at a student's pages."""

from __future__ import annotations

from datetime import datetime, time

from django.db import transaction
from django.utils import timezone

from accounts.auditing import note_act
from accounts.models import AuditEvent, Cohort, Membership, User
from courses.selectors.class_time import zone_of


@transaction.atomic
def note_view(actor: User, cohort: Cohort, student: User) -> None:
    """Write it into the log, once for an actor and a student on one day of the class."""
    # Locked, so that two pages opened at once make one entry.
    list(Membership.objects.select_for_update().filter(cohort=cohort, user=student))
    zone = zone_of(cohort)
    midnight = datetime.combine(timezone.now().astimezone(zone).date(), time(), tzinfo=zone)
    known = AuditEvent.objects.filter(
        cohort=cohort, actor=actor, person=student, kind="viewed_as", created_at__gte=midnight
    )
    if not known.exists():
        note_act(actor, "viewed_as", cohort=cohort, person=student)
