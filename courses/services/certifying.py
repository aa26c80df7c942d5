"""Certificates: issue one for a course that was completed, and take one back."""

from __future__ import annotations

import unicodedata

from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.auditing import note_act
from accounts.models import User
from accounts.notifications import notify
from common.errors import ConflictError, Fault, ForbiddenError, InvalidInputError
from courses.certificates.facts import facts_of
from courses.certificates.sealing import name_seal, seal
from courses.models import Certificate, Enrolment
from courses.selectors.certificates import may_revoke

LONGEST_NAME = 120
SHORTEST_REASON = 5
LONGEST_REASON = 200
JOINERS = "\u200c\u200d"
"""Invisible, but several scripts need them between letters."""


def issue(enrolment: Enrolment, *, name: str, language: str) -> tuple[Certificate, bool]:
    """The certificate of an enrolment, and whether it was made just now. Asking twice gives the first one.

    Args:
        name: as the person wants it on the certificate.

    Raises:
        ConflictError: the course is not completed.
        InvalidInputError: the name can not stand on a certificate.
    """
    known = Certificate.objects.filter(enrolment=enrolment).first()
    if known is not None:
        return known, False
    if enrolment.completed_at is None:
        raise ConflictError(
            _(
                "A certificate is for a completed course. Pass the steps that are left, then come back."
            )
        )
    certificate = Certificate(
        enrolment=enrolment,
        version_id=enrolment.version_id,
        name=plain_name(name),
        language=language,
        facts=facts_of(enrolment),
        issued_at=timezone.now().replace(microsecond=0),
    )
    certificate.facts["name_seal"] = name_seal(certificate.pk, certificate.name)
    seal(certificate)
    try:
        with transaction.atomic():
            certificate.save(force_insert=True)
    except IntegrityError:
        # Pressed twice.
        return Certificate.objects.get(enrolment=enrolment), False
    return certificate, True


def plain_name(text: str) -> str:
    """A name in one line of letters that can be seen.

    Raises:
        InvalidInputError: it is empty, too long, or has letters that nobody sees.
    """
    name = unicodedata.normalize("NFC", " ".join(text.split()))
    if not any(letter.isalpha() for letter in name):
        raise _unfit(_("Enter the name that is to stand on the certificate."))
    if len(name) > LONGEST_NAME:
        raise _unfit(
            _("The name has %(count)d characters, and %(limit)d fit. Shorten it.")
            % {"count": len(name), "limit": LONGEST_NAME}
        )
    if not name.translate(dict.fromkeys(map(ord, JOINERS))).isprintable():
        raise _unfit(_("The name has characters that can not be seen. Type it instead of pasting."))
    return name


def revoke(actor: User, certificate: Certificate, *, reason: str) -> Certificate:
    """Say for good that a certificate does not hold; whoever looks it up reads when and why.

    Raises:
        ForbiddenError: the actor neither leads the class of it nor is an instructor of the installation.
        InvalidInputError: the reason is missing or too long.
        ConflictError: it was revoked before.
    """
    if not may_revoke(actor, certificate):
        raise ForbiddenError(_("Only those who lead the class can revoke its certificates."))
    reason = plain_reason(reason)
    with transaction.atomic():
        locked = Certificate.objects.select_for_update(of=("self",)).get(pk=certificate.pk)
        if locked.revoked_at is not None:
            raise ConflictError(
                _("Somebody else has revoked this certificate already. Their reason stands.")
            )
        locked.revoked_at, locked.revoked_reason = timezone.now(), reason
        locked.save(update_fields=["revoked_at", "revoked_reason"])
        _tell(actor, locked)
    return locked


def plain_reason(text: str) -> str:
    """A reason in one line.

    Raises:
        InvalidInputError: it is too short or too long to be one.
    """
    reason = " ".join(text.split())
    if not SHORTEST_REASON <= len(reason) <= LONGEST_REASON or not reason.isprintable():
        raise _unfit(
            _("Give the reason in %(least)d to %(most)d characters.")
            % {"least": SHORTEST_REASON, "most": LONGEST_REASON},
            field="reason",
        )
    return reason


def _tell(actor: User, certificate: Certificate) -> None:
    """The log, and the person whose certificate it was."""
    enrolment, course = certificate.enrolment, certificate.facts["course"]
    person = enrolment.user if enrolment else None
    note_act(
        actor,
        "certificate_revoked",
        cohort=enrolment.cohort if enrolment else None,
        person=person,
        course=course["slug"],
        certificate=str(certificate.pk),
    )
    if person is None:
        return
    notify(
        person.pk,
        kind="certificate_revoked",
        subject=str(certificate.pk),
        params={"titles": course["title"]},
        path=reverse("certificates:certificate", args=[certificate.pk]),
    )


def _unfit(sentence: str, *, field: str = "name") -> InvalidInputError:
    return InvalidInputError(sentence, faults=[Fault(sentence, field=field)])
