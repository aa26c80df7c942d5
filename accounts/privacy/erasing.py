"""Erase a person, part by part; an interrupted erasure goes on where it was."""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.db.models import RestrictedError
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import DataRequest, User
from accounts.privacy.access import end_sessions, end_tokens
from accounts.privacy.lease import keep_going
from common.errors import ConflictError
from common.personal_data import StillBusyError, parts, parts_to_erase

BEGUN = "begun"
"""The first mark of an erasure: the account is closed, and the request can not be taken back any more."""


def erase_person(request: DataRequest) -> None:
    """
    Raises:
        StillBusyError: something has to end first.
        ConflictError: nobody could look after the installation any more.
    """
    person = request.person
    assert person is not None
    check_is_not_last_owner(person)
    _begin(request, person)
    for part in parts_to_erase():
        if part.key not in request.done:
            part.erase(person)
            keep_going(request, [*request.done, part.key])
    _end(request, person)


def check_is_not_last_owner(person: User) -> None:
    """
    Raises:
        ConflictError: the person is the only one who owns the installation.
    """
    owners = User.objects.filter(is_superuser=True, is_active=True)
    if person.is_superuser and not owners.exclude(pk=person.pk).exists():
        raise ConflictError(
            _(
                "This is the only account that can look after the installation, so it can not be erased. "
                "Make somebody else a superuser first."
            )
        )


def _begin(request: DataRequest, person: User) -> None:
    """Nobody uses the account from here on; what runs for it is stopped."""
    if BEGUN in request.done:
        return
    with transaction.atomic():
        person.is_active = False
        person.set_unusable_password()
        person.save(update_fields=["is_active", "password"])
        end_sessions(person)
        end_tokens(person)
        for part in parts():
            part.stop(person)
        keep_going(request, [BEGUN])


def _end(request: DataRequest, person: User) -> None:
    """
    Raises:
        StillBusyError: something came after its part was finished, so all parts are gone through once more.
    """
    try:
        with transaction.atomic():
            person.delete()
            DataRequest.objects.filter(pk=request.pk).update(
                state=DataRequest.State.DONE, finished_at=timezone.now()
            )
    except (RestrictedError, IntegrityError) as error:
        keep_going(request, [BEGUN])
        raise StillBusyError from error
