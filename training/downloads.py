"""The adapter and the curves of a job as files that the browser saves."""

from __future__ import annotations

from collections.abc import AsyncIterator

from django.core.serializers.json import DjangoJSONEncoder
from django.http import FileResponse, HttpResponse
from django.utils.http import content_disposition_header
from django.utils.text import slugify

from common import strict_json
from training.curves.export import curves_as_csv, curves_as_data
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
    return ArchiveResponse(
        adapter_archive(job),
        as_attachment=True,
        filename=f"{_base_name(job)}-adapter.zip",
        content_type="application/zip",
    )


def curves_csv_response(job: TrainingJob) -> HttpResponse:
    return file_response(job, curves_as_csv(job), "curves.csv", "text/csv; charset=utf-8")


def curves_json_response(job: TrainingJob) -> HttpResponse:
    content = strict_json.dumps(curves_as_data(job), encoder=DjangoJSONEncoder).encode()
    return file_response(job, content, "curves.json", "application/json")


def file_response(job: TrainingJob, content: bytes, kind: str, content_type: str) -> HttpResponse:
    """A file to save, named after the job and by what it holds."""
    response = HttpResponse(content, content_type=content_type)
    disposition = content_disposition_header(True, f"{_base_name(job)}-{kind}")
    response.headers["Content-Disposition"] = disposition or "attachment"
    return response


def _base_name(job: TrainingJob) -> str:
    return slugify(job.name, allow_unicode=True)[:80] or "llmlora"
