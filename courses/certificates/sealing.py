"""The digest and the signature of a certificate: made once, and compared whenever it is shown.

The name is bound by a seal among the facts and not by its own letters: when a person is erased the name goes, and what
is left is as valid as before, without anything from which the name could be guessed.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.core.signing import BadSignature, Signer

from common.canonical_json import json_digest
from courses.models import Certificate

DIGEST_SALT = "courses.certificates.digest"
NAME_SALT = "courses.certificates.name"


def name_seal(certificate_id: UUID, name: str) -> str:
    """What only this installation can make of a name."""
    return Signer(salt=NAME_SALT).signature(_named(certificate_id, name))


def signed_part(certificate: Certificate) -> dict[str, Any]:
    """What the digest is of; the same for everybody who reads the certificate's JSON."""
    return {
        "id": str(certificate.pk),
        "issued_at": as_text(certificate.issued_at),
        "facts": certificate.facts,
    }


def seal(certificate: Certificate) -> None:
    """Give a certificate that is about to be stored its digest and its signature."""
    certificate.digest = json_digest(signed_part(certificate))
    certificate.signature = Signer(salt=DIGEST_SALT).signature(certificate.digest)


def is_genuine(certificate: Certificate) -> bool:
    """Whether it says what it said when it was issued, by this installation; an erased name is no change."""
    seal_of_name = certificate.facts.get("name_seal", "")
    return (
        json_digest(signed_part(certificate)) == certificate.digest
        and _fits(DIGEST_SALT, certificate.digest, certificate.signature)
        and (
            not certificate.name
            or _fits(NAME_SALT, _named(certificate.pk, certificate.name), seal_of_name)
        )
    )


def as_text(moment: datetime) -> str:
    """A moment as it stands in what is signed."""
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def _named(certificate_id: UUID, name: str) -> str:
    return f"{certificate_id}:{name}"


def _fits(salt: str, value: str, signature: str) -> bool:
    """Also with a key that the installation had before (SECRET_KEY_FALLBACKS)."""
    signer = Signer(salt=salt)
    try:
        return bool(signer.unsign(f"{value}{signer.sep}{signature}") == value)
    except BadSignature:
        return False
