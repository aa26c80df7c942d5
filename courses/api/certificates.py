"""API calls about certificates."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.urls import reverse
from ninja import Schema

from common.api import ERROR_RESPONSES, current_user
from courses.api.router import router
from courses.models import Certificate
from courses.selectors.certificates import certificates_of, validity_of


class CertificateSchema(Schema):
    """That the caller completed a course; validity is valid, revoked or altered."""

    id: UUID
    course: str
    version: int
    name: str
    validity: str
    path: str
    digest: str
    issued_at: datetime
    revoked_at: datetime | None
    revoked_reason: str


@router.get(
    "/me/certificates",
    response={200: list[CertificateSchema]} | ERROR_RESPONSES,
    summary="Certificates of the caller",
)
def my_certificates(request: HttpRequest) -> list[dict[str, Any]]:
    """Each stands at /certificates/<id>/ for everybody, and all of it at /certificates/<id>.json."""
    return [_certificate(row) for row in certificates_of(current_user(request))]


def _certificate(certificate: Certificate) -> dict[str, Any]:
    return {
        "id": certificate.pk,
        "course": certificate.version.course.slug,
        "version": certificate.version.number,
        "name": certificate.name,
        "validity": validity_of(certificate).value,
        "path": reverse("certificates:certificate", args=[certificate.pk]),
        "digest": certificate.digest,
        "issued_at": certificate.issued_at,
        "revoked_at": certificate.revoked_at,
        "revoked_reason": certificate.revoked_reason,
    }
