"""What leaders decide about who joins their class."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.auditing import note_act
from accounts.joining.codes import new_code
from accounts.joining.entering import admit
from accounts.joining.openness import require_room
from accounts.models import Cohort, JoinRequest, Membership, User
from accounts.notifications import notify
from common.errors import ForbiddenError, InvalidInputError, NotFoundError

DEFAULT_DAYS = 14
MOST_DAYS = 365


@transaction.atomic
def open_joining(actor: User, cohort: Cohort, *, days: int = DEFAULT_DAYS) -> Cohort:
    """A new code for the class; the one before ends at once.

    Args:
        days: for which the code is valid.

    Raises:
        ForbiddenError: actor does not lead the class.
        InvalidInputError: days out of range.
    """
    locked = _led(actor, cohort)
    if not 1 <= days <= MOST_DAYS:
        raise InvalidInputError(
            _("A join code is valid for 1 to %(most)d days. Choose a number in between.")
            % {"most": MOST_DAYS}
        )
    code = new_code()
    while Cohort.objects.filter(join_code=code).exists():
        code = new_code()
    locked.join_code = code
    locked.join_code_expires_at = timezone.now() + timedelta(days=days)
    locked.save(update_fields=["join_code", "join_code_expires_at"])
    note_act(actor, "join_code_made", cohort=locked, days=days)
    return locked


@transaction.atomic
def close_joining(actor: User, cohort: Cohort) -> Cohort:
    """End the code of the class; without one nothing happens.

    Raises:
        ForbiddenError: actor does not lead the class.
    """
    locked = _led(actor, cohort)
    if locked.join_code:
        locked.join_code, locked.join_code_expires_at = "", None
        locked.save(update_fields=["join_code", "join_code_expires_at"])
        note_act(actor, "join_code_closed", cohort=locked)
    return locked


@transaction.atomic
def accept(actor: User, request: JoinRequest) -> Membership:
    """Let somebody in who asked for it.

    Raises:
        ForbiddenError: actor does not lead the class.
        NotFoundError: the request is gone.
        ConflictError: the class is closed, over or full.
    """
    cohort, found = _standing(actor, request)
    if not Membership.objects.filter(cohort=cohort, user=found.user).exists():
        require_room(cohort)
    member = admit(found.user, cohort, found.source)
    _tell(actor, found.user, cohort, "join_accepted")
    return member


@transaction.atomic
def decline(actor: User, request: JoinRequest) -> None:
    """Keep somebody out who asked; they may ask again.

    Raises:
        ForbiddenError: actor does not lead the class.
        NotFoundError: the request is gone.
    """
    cohort, found = _standing(actor, request)
    found.delete()
    _tell(actor, found.user, cohort, "join_declined")


def _led(actor: User, cohort: Cohort) -> Cohort:
    """The class, locked."""
    if not Cohort.objects.led_by(actor).filter(pk=cohort.pk).exists():
        raise ForbiddenError(_("Only those who lead the class decide who joins it."))
    return Cohort.objects.select_for_update().get(pk=cohort.pk)


def _standing(actor: User, request: JoinRequest) -> tuple[Cohort, JoinRequest]:
    cohort = _led(actor, request.cohort)
    found = JoinRequest.objects.filter(pk=request.pk).select_related("user").first()
    if found is None:
        raise NotFoundError(
            _("This request is gone: somebody has decided it, or the person took it back.")
        )
    return cohort, found


def _tell(actor: User, person: User, cohort: Cohort, kind: str) -> None:
    note_act(actor, kind, cohort=cohort, person=person)
    notify(
        person.pk,
        kind=kind,
        subject=f"class:{cohort.pk}",
        params={"name": cohort.name},
        path=reverse("accounts:class_list"),
    )
