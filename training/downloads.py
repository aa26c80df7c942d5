"""The adapter as a file that the browser saves."""

from __future__ import annotations

from collections.abc import AsyncIterator

from django.http import FileResponse
from django.utils.text import slugify

from training.models import TrainingJob
from training.selectors import adapter_archive


class ArchiveResponse(FileResponse):
    """A file in memory, sent in pieces; reading a piece never blocks, so an event loop may do it itself."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece


def adapter_response(job: TrainingJob) -> ArchiveResponse:
    """The adapter of a completed job as a zip file named after the job.

    Raises:
        ConflictError: the job left no adapter.
    """
    name = slugify(job.name, allow_unicode=True)[:80] or "llmlora"
    return ArchiveResponse(
        adapter_archive(job),
        as_attachment=True,
        filename=f"{name}-adapter.zip",
        content_type="application/zip",
    )
