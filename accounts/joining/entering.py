"""What a person does: look a code up, join, take a request back, leave."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.auditing import note_act
from accounts.joining.codes import normalised
from accounts.joining.openness import require_room
from accounts.models import Cohort, JoinRequest, Membership, User
from accounts.notifications import notify
from common import rate_limit
from common.errors import ConflictError, NotFoundError
from common.happenings import happened

WRONG_CODE_SECONDS = 600
WRONG_CODES_PER_PERSON = 10
WRONG_CODES_PER_ADDRESS = 100
"""A whole class that mistypes a code from the board comes from one address."""


class State(StrEnum):
    JOINED = "joined"
    WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class Entry:
    """How somebody stands to a class.

    Attributes:
        role: for one who waits, the one they will have.
        is_new: whether they came to it just now.
    """

    cohort: Cohort
    role: str
    state: State
    is_new: bool = False


def class_of_code(person: User, address: str, text: str) -> Cohort:
    """The class whose valid code this is. Only a wrong code counts as a try.

    Args:
        address: from which the person asks, of the network.

    Raises:
        TooManyRequestsError: too many wrong codes; then a right one is not looked at either.
        NotFoundError: no such code, or an expired one: which of them is not told, so that nobody learns by trying.
    """
    limits = [
        ("join-code-person", str(person.pk), WRONG_CODES_PER_PERSON),
        ("join-code-address", address, WRONG_CODES_PER_ADDRESS),
    ]
    for action, who, limit in limits:
        rate_limit.check(action, who, limit=limit, period_seconds=WRONG_CODE_SECONDS)
    code = normalised(text)
    if code:
        valid = Cohort.objects.filter(join_code=code, join_code_expires_at__gt=timezone.now())
        if cohort := valid.first():
            return cohort
    for action, who, limit in limits:
        rate_limit.consume(action, who, limit=limit, period_seconds=WRONG_CODE_SECONDS)
    raise _unknown_code()


def entry_of(person: User, cohort: Cohort) -> Entry | None:
    member = Membership.objects.filter(cohort=cohort, user=person).first()
    if member:
        return Entry(cohort, member.role, State.JOINED)
    if JoinRequest.objects.filter(cohort=cohort, user=person).exists():
        return Entry(cohort, Membership.Role.STUDENT, State.WAITING)
    return None


@transaction.atomic
def join(person: User, cohort: Cohort) -> Entry:
    """Become a student of the class, or ask for it where it approves who joins; twice does no more than once.

    Args:
        cohort: as class_of_code has found it.

    Raises:
        NotFoundError: its code was replaced or switched off meanwhile.
        ConflictError: it is closed, over or full.
    """
    locked = Cohort.objects.select_for_update().get(pk=cohort.pk)
    standing = entry_of(person, locked)
    if standing and (standing.state == State.JOINED or locked.needs_approval):
        return standing
    if locked.join_code != cohort.join_code:
        raise _unknown_code()
    return enter(person, locked, Membership.Source.CODE)


def enter(person: User, cohort: Cohort, source: str) -> Entry:
    """Take in somebody who is neither in the class nor waits for it, or let them wait where it approves who joins.

    Args:
        cohort: locked by the caller.

    Raises:
        ConflictError: it is closed, over or full.
    """
    require_room(cohort)
    if cohort.needs_approval:
        JoinRequest.objects.create(cohort=cohort, user=person, source=source)
        _tell_leaders(cohort)
        return Entry(cohort, Membership.Role.STUDENT, State.WAITING, is_new=True)
    return Entry(cohort, admit(person, cohort, source).role, State.JOINED, is_new=True)


def admit(person: User, cohort: Cohort, source: str) -> Membership:
    """Make the person a student of a class that the caller has locked and found to have room."""
    JoinRequest.objects.filter(cohort=cohort, user=person).delete()
    member, _is_new = Membership.objects.get_or_create(
        cohort=cohort,
        user=person,
        defaults={"role": Membership.Role.STUDENT, "source": source},
    )
    return member


def take_back(person: User, request_id: UUID) -> Cohort:
    """
    Raises:
        NotFoundError: the person has no such request; it may be decided.
    """
    request = JoinRequest.objects.filter(pk=request_id, user=person).select_related("cohort")
    found = request.first()
    if found is None:
        raise NotFoundError(_("There is no such request of yours. It may be decided already."))
    found.delete()
    return found.cohort


@transaction.atomic
def leave(person: User, cohort: Cohort) -> None:
    """The person's own work stays with them.

    Raises:
        NotFoundError: the person is not in the class.
        ConflictError: a class keeps at least one instructor.
    """
    Cohort.objects.select_for_update().get(pk=cohort.pk)
    member = Membership.objects.filter(cohort=cohort, user=person).first()
    if member is None:
        raise NotFoundError(_("There is no class with this id, or you are not in it."))
    if is_last_instructor(member):
        raise ConflictError(
            _(
                "You are the only instructor of this class, and it would be left with nobody to lead it. Make somebody "
                "else an instructor first."
            )
        )
    member.delete()
    note_act(person, "member_left", cohort=cohort, person=person)
    happened("class_left", person.pk, cohort.pk)


def is_last_instructor(member: Membership) -> bool:
    instructors = Membership.objects.filter(
        cohort_id=member.cohort_id, role=Membership.Role.INSTRUCTOR
    )
    is_one = member.role == Membership.Role.INSTRUCTOR
    return is_one and not instructors.exclude(pk=member.pk).exists()


def _tell_leaders(cohort: Cohort) -> None:
    """One notification of a class, however many ask; it names nobody, for they may take it back."""
    leaders = Membership.objects.filter(cohort=cohort, role__in=Membership.LEADERS)
    for leader_id in leaders.values_list("user_id", flat=True):
        notify(
            leader_id,
            kind="join_asked",
            subject=f"requests:{cohort.pk}",
            params={"name": cohort.name},
            path=reverse("accounts:class_list"),
        )


def _unknown_code() -> NotFoundError:
    return NotFoundError(
        _(
            "No class can be joined with this code. It may be mistyped, replaced or expired. Compare it, or ask "
            "whoever leads the class for the newest one."
        )
    )
