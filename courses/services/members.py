"""Change what somebody is in a class, and remove somebody from it; what they made stays theirs."""

from __future__ import annotations

from uuid import UUID

from allauth.account.models import EmailAddress
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.auditing import note_act
from accounts.models import Cohort, JoinRequest, Membership, RosterEntry, User
from accounts.roles import check_instructor
from common.errors import ConflictError, InvalidInputError, NotFoundError
from courses.models import Enrolment, HelpRequest

Role = Membership.Role


@transaction.atomic
def change_role(
    actor: User, cohort: Cohort, member_id: UUID, *, role: str, seen_role: str
) -> Membership:
    """
    Args:
        seen_role: what the member was when actor decided.

    Raises:
        ForbiddenError: actor is no instructor of the cohort.
        NotFoundError: nobody in the cohort has this id.
        InvalidInputError: there is no such role.
        ConflictError: the role was changed meanwhile, or it is the last instructor's.
    """
    member = _locked(actor, cohort, member_id, seen_role)
    if role not in Role.values:
        raise InvalidInputError(_("Choose one of the roles."))
    if role == member.role:
        return member
    if role != Role.INSTRUCTOR:
        _check_not_last(member)
    old, member.role = member.role, role
    member.save(update_fields=["role"])
    note_act(actor, "role_changed", cohort=cohort, person=member.user, role=role, old_role=old)
    return member


@transaction.atomic
def remove_member(actor: User, cohort: Cohort, member_id: UUID, *, seen_role: str) -> User:
    """The person is not in the class any more, and the roster does not let them in again.

    Raises:
        ForbiddenError: actor is no instructor of the cohort.
        NotFoundError: nobody in the cohort has this id.
        ConflictError: the role was changed meanwhile, or it is the last instructor's.
    """
    member = _locked(actor, cohort, member_id, seen_role)
    _check_not_last(member)
    person = member.user
    enrolments = Enrolment.objects.filter(cohort=cohort, user=person)
    HelpRequest.objects.filter(enrolment__in=enrolments, state__in=HelpRequest.STANDING).update(
        state=HelpRequest.State.CANCELLED, closed_at=timezone.now()
    )
    enrolments.update(cohort=None)
    _forget(cohort, person)
    member.delete()
    note_act(actor, "member_removed", cohort=cohort, person=person, role=member.role)
    return person


def _locked(actor: User, cohort: Cohort, member_id: UUID, seen_role: str) -> Membership:
    """With the whole class locked: of two instructors who demote each other at once, one has to stay."""
    Cohort.objects.select_for_update().get(pk=cohort.pk)
    check_instructor(actor, cohort)
    found = Membership.objects.filter(cohort=cohort, pk=member_id).select_related("user")
    member = found.first()
    if member is None:
        raise NotFoundError(_("This person is not in the class any more. Somebody removed them."))
    if member.role != seen_role:
        raise ConflictError(
            _(
                "Nothing was changed: somebody else made this person “%(role)s” meanwhile. Look again, then decide."
            )
            % {"role": member.get_role_display()}
        )
    return member


def _check_not_last(member: Membership) -> None:
    if member.role != Role.INSTRUCTOR:
        return
    others = Membership.objects.filter(
        cohort_id=member.cohort_id, role=Role.INSTRUCTOR, user__is_active=True
    ).exclude(pk=member.pk)
    if not others.exists():
        raise ConflictError(
            _(
                "This is the last instructor, and a class needs one. Make somebody else an instructor first."
            )
        )


def _forget(cohort: Cohort, person: User) -> None:
    """Their places in the roster would let them in again when they sign in next."""
    known = EmailAddress.objects.filter(user=person)
    addresses = [person.email, *known.values_list("email", flat=True)]
    emails = {address.lower() for address in addresses if address}
    places = Q(claimed_by=person) | Q(username=person.username) | Q(email__in=emails)
    RosterEntry.objects.filter(places, cohort=cohort).delete()
    JoinRequest.objects.filter(cohort=cohort, user=person).delete()
