"""An archive as a file that the browser saves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import IO, Any
from uuid import UUID

from django.core.files.storage import default_storage
from django.http import FileResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import DataRequest, User
from accounts.privacy.page import kept_until
from common.errors import NotFoundError
from common.storage import CHUNK_BYTES


class ArchiveResponse(FileResponse):
    """A stored file in pieces, each read in a thread: the event loop serves everybody else meanwhile."""

    block_size = CHUNK_BYTES

    def __init__(self, stream: IO[bytes], file_name: str, **kwargs: Any) -> None:
        super().__init__(
            stream,
            as_attachment=True,
            filename=file_name,
            content_type="application/zip",
            **kwargs,
        )

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pieces = iter(self)
        while piece := await asyncio.to_thread(next, pieces, b""):
            yield piece


def archive_response(person: User, request_id: UUID) -> ArchiveResponse:
    """
    Raises:
        NotFoundError: there is no archive, or not any more.
    """
    found = DataRequest.objects.filter(pk=request_id, person=person).first()
    if found is None or kept_until(found) is None or not default_storage.exists(found.path):
        raise NotFoundError(
            _("There is no such archive, or it was removed after 7 days. Ask for a new one.")
        )
    day = timezone.localtime().date().isoformat()
    stream = default_storage.open(found.path, "rb")
    return ArchiveResponse(stream, f"llmlora-{person.username}-{day}.zip")
