"""How a raised hand goes down."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from accounts.notifications import mark_seen
from courses.events import class_changed
from courses.models import Enrolment, HelpRequest

State = HelpRequest.State


def standing_request(enrolment: Enrolment) -> HelpRequest | None:
    """The one raised hand of a person in a course, locked for the caller's transaction."""
    standing = HelpRequest.objects.select_for_update().filter(
        enrolment=enrolment, state__in=HelpRequest.STANDING
    )
    return standing.first()


def close_request(found: HelpRequest, state: HelpRequest.State) -> None:
    """In the caller's transaction: the hand is down, and what the person was told of it is old news."""
    found.state, found.closed_at = state, timezone.now()
    found.save(update_fields=["state", "closed_at", "helper"])
    mark_seen(found.enrolment.user, subject=str(found.pk))
    class_changed(found.enrolment.cohort_id)


@transaction.atomic
def lower_hand_at(enrolment: Enrolment, step_key: str) -> None:
    """A step is done, so nobody needs help at it any more."""
    found = standing_request(enrolment)
    if found is not None and found.step_key == step_key:
        close_request(found, State.RESOLVED)
