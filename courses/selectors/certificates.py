"""Certificates as they are looked up: by everybody, by the holder, and by those who lead the class."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from accounts.models import Cohort, User
from common.errors import NotFoundError
from courses.certificates.sealing import is_genuine, signed_part
from courses.models import Certificate
from courses.selectors.content import content_of
from courses.selectors.progress import Person


class Validity(StrEnum):
    """What a certificate is worth."""

    VALID = "valid"
    REVOKED = "revoked"
    ALTERED = "altered"


@dataclass(frozen=True, slots=True)
class EvidenceEntry:
    """A dataset, an adapter or a measurement that a certificate names.

    Attributes:
        step: the title of the step that it was counted for.
    """

    kind: str
    step: str
    digest: str
    figures: dict[str, float]


@dataclass(frozen=True, slots=True)
class ShownCertificate:
    """A certificate as its page and its PDF show it, in one language."""

    certificate: Certificate
    validity: Validity
    title: str
    completed_at: datetime
    evidence: tuple[EvidenceEntry, ...]

    @property
    def facts(self) -> dict[str, Any]:
        return self.certificate.facts

    @property
    def is_valid(self) -> bool:
        return self.validity == Validity.VALID

    @property
    def is_erased(self) -> bool:
        return not self.certificate.name


def get_certificate(certificate_id: UUID) -> Certificate:
    """
    Raises:
        NotFoundError: there is none.
    """
    found = Certificate.objects.filter(pk=certificate_id)
    certificate = found.select_related("enrolment__user", "enrolment__cohort").first()
    if certificate is None:
        raise NotFoundError(
            _("There is no certificate at this address. Compare it with the one on the paper.")
        )
    return certificate


def validity_of(certificate: Certificate) -> Validity:
    if not is_genuine(certificate):
        return Validity.ALTERED
    return Validity.VALID if certificate.revoked_at is None else Validity.REVOKED


def shown_certificate(certificate: Certificate, language: str) -> ShownCertificate:
    validity = validity_of(certificate)
    if validity == Validity.ALTERED:
        # What it says now may have any shape.
        return ShownCertificate(certificate, validity, "", certificate.issued_at, ())
    code = "ja" if language.partition("-")[0] == "ja" else "en"
    facts, content = certificate.facts, content_of(certificate.version_id)
    titles = {step.key: step.text(language).title for step in content.steps}
    return ShownCertificate(
        certificate,
        validity,
        facts["course"]["title"][code],
        datetime.fromisoformat(facts["completed_at"]),
        tuple(
            EvidenceEntry(
                entry["kind"],
                titles.get(entry["step"], entry["step"]),
                entry["digest"],
                entry["figures"],
            )
            for entry in facts["evidence"]
        ),
    )


def certificate_json(certificate: Certificate) -> dict[str, Any]:
    """All of a certificate; `digest` is the sha256 of `signed`, with sorted names and without spaces."""
    return {
        "validity": validity_of(certificate).value,
        "name": certificate.name,
        "signed": signed_part(certificate),
        "digest": certificate.digest,
        "signature": certificate.signature,
        "revoked_at": certificate.revoked_at.isoformat() if certificate.revoked_at else None,
        "revoked_reason": certificate.revoked_reason,
    }


def certificates_of(user: Person) -> list[Certificate]:
    """A person's own, the newest first."""
    if not user.is_authenticated:
        return []
    found = Certificate.objects.filter(enrolment__user_id=user.pk)
    return list(found.select_related("version__course").defer("version__manifest"))


def class_certificates(cohort: Cohort) -> list[Certificate]:
    """Of everybody who completed a course with the class, the newest first; in one query."""
    found = Certificate.objects.filter(enrolment__cohort=cohort)
    return list(found.select_related("enrolment__course"))


def may_revoke(user: Person, certificate: Certificate) -> bool:
    """Whether a person leads the class that it was earned with, or is an instructor of the installation."""
    if not isinstance(user, User):
        return False
    if user.is_staff:
        return True
    enrolment = certificate.enrolment
    if enrolment is None or enrolment.cohort_id is None:
        return False
    return Cohort.objects.led_by(user).filter(pk=enrolment.cohort_id).exists()
