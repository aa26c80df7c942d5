"""API calls with which a person has a copy of their data; the account is erased by its page alone."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Field, Router, Schema, Status

from accounts.models import DataRequest
from accounts.privacy.asking import ask_export, cancel_own_request, exports_of, get_export
from accounts.privacy.download import ArchiveResponse, archive_response
from accounts.privacy.page import kept_until
from common.api import ERROR_RESPONSES, current_user, paginated

router = Router(tags=["data"])


class ExportSchema(Schema):
    """A copy of the caller's data."""

    id: UUID
    state: DataRequest.State
    created_at: datetime
    finished_at: datetime | None
    available_until: datetime | None = Field(
        description="Until when it can be downloaded; null where it is not ready, or not there any more"
    )

    @staticmethod
    def resolve_available_until(request: DataRequest) -> datetime | None:
        return kept_until(request)


@router.get(
    "/exports",
    response={200: list[ExportSchema]} | ERROR_RESPONSES,
    summary="Copies of the caller's data, newest first",
)
@paginated
def list_exports(request: HttpRequest) -> QuerySet[DataRequest]:
    return exports_of(current_user(request))


@router.post(
    "/exports",
    response={202: ExportSchema} | ERROR_RESPONSES,
    summary="Ask for a copy of the caller's data",
)
def post_export(request: HttpRequest) -> Status[DataRequest]:
    """A worker puts it together; one at a time. The copy before it goes when the new one is there."""
    return Status(202, ask_export(current_user(request)))


@router.get(
    "/exports/{uuid:export_id}",
    response={200: ExportSchema} | ERROR_RESPONSES,
    summary="How far a copy is",
)
def export_detail(request: HttpRequest, export_id: UUID) -> DataRequest:
    return get_export(current_user(request), export_id)


@router.delete(
    "/exports/{uuid:export_id}",
    response={204: None} | ERROR_RESPONSES,
    summary="Take back what was asked for",
)
def delete_export(request: HttpRequest, export_id: UUID) -> Status[None]:
    """409 once it has begun."""
    user = current_user(request)
    cancel_own_request(user, get_export(user, export_id).pk)
    return Status(204, None)


@router.get(
    "/exports/{uuid:export_id}/archive", response=ERROR_RESPONSES, summary="A copy as one ZIP file"
)
def get_archive(request: HttpRequest, export_id: UUID) -> ArchiveResponse:
    """404 before it is ready, and after 7 days."""
    return archive_response(current_user(request), export_id)
