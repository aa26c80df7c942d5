"""Who is expected in a class is in it from the first sign-in on.

A user name is whatever somebody chose at sign-up, so it makes nobody more than a student; an address counts only once
its owner has confirmed it.
"""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from django.db import transaction
from django.db.models import Case, Q, QuerySet, Value, When
from django.db.models.functions import Lower
from django.urls import reverse

from accounts.auditing import note_act
from accounts.joining.openness import takes_people
from accounts.models import Cohort, JoinRequest, Membership, RosterEntry, User
from accounts.notifications import notify

RANKS = {
    Membership.Role.STUDENT: 0,
    Membership.Role.OBSERVER: 1,
    Membership.Role.ASSISTANT: 2,
    Membership.Role.INSTRUCTOR: 3,
}


def hear_sign_in(*, user: User, **_: Any) -> None:
    claim_entries(user)


def hear_confirmation(*, email_address: EmailAddress, **_: Any) -> None:
    """A confirmed address may also prove that somebody who came in by user name is who the roster means."""
    person, address = email_address.user, email_address.email.lower()
    claim_entries(person)
    for entry in RosterEntry.objects.filter(
        claimed_by=person, email=address, role__in=Membership.REVIEWERS
    ).select_related("cohort"):
        _raise_role(person, entry)


def claim_entries(person: User) -> None:
    """Let the person into every class that expects them; one query when there is none.

    A class that is closed or over takes nobody in; seats are not counted, for a leader has named the person.
    """
    for entry in _entries_of(person):
        if takes_people(entry.cohort):
            _claim(person, entry, is_proven=entry.is_proven)  # type: ignore[attr-defined]


def _entries_of(person: User) -> QuerySet[RosterEntry]:
    own = EmailAddress.objects.filter(user=person, verified=True).values(address=Lower("email"))
    has_address = Q(email__in=own)
    return (
        RosterEntry.objects.filter(has_address | Q(username=person.username), claimed_by=None)
        .annotate(is_proven=Case(When(has_address, then=Value(True)), default=Value(False)))
        .select_related("cohort")
        # Of two entries of one class the proven one decides how the person comes in.
        .order_by("-is_proven", "created_at")
    )


@transaction.atomic
def _claim(person: User, entry: RosterEntry, *, is_proven: bool) -> None:
    cohort = Cohort.objects.select_for_update().get(pk=entry.cohort_id)
    if not RosterEntry.objects.filter(pk=entry.pk, claimed_by=None).update(claimed_by=person):
        return
    role = entry.role if is_proven else Membership.Role.STUDENT
    member, is_new = Membership.objects.get_or_create(
        cohort=cohort,
        user=person,
        defaults={"role": role, "source": Membership.Source.ROSTER},
    )
    JoinRequest.objects.filter(cohort=cohort, user=person).delete()
    is_raised = _raise(member, role)
    note_act(person, "roster_claimed", cohort=cohort, person=person, role=member.role)
    if is_new or is_raised:
        _tell(person, cohort)


@transaction.atomic
def _raise_role(person: User, entry: RosterEntry) -> None:
    """Only of somebody who is still in the class."""
    Cohort.objects.select_for_update().get(pk=entry.cohort_id)
    member = Membership.objects.filter(cohort=entry.cohort, user=person).first()
    if member and _raise(member, entry.role):
        note_act(person, "roster_claimed", cohort=entry.cohort, person=person, role=member.role)
        _tell(person, entry.cohort)


def _raise(member: Membership, role: str) -> bool:
    """Whether the role is more than the one before; a lower one changes nothing."""
    if RANKS[Membership.Role(role)] <= RANKS[Membership.Role(member.role)]:
        return False
    member.role = role
    member.save(update_fields=["role"])
    return True


def _tell(person: User, cohort: Cohort) -> None:
    notify(
        person.pk,
        kind="roster_claimed",
        subject=f"class:{cohort.pk}",
        params={"name": cohort.name},
        path=reverse("accounts:class_list"),
    )
