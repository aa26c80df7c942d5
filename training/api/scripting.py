"""API call that gives a job as code."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse

from common.api import ERROR_RESPONSES, current_user
from training import selectors
from training.api.router import router
from training.scripting.files import CodeFormat, code_file


@router.get(
    "/jobs/{uuid:job_id}/code",
    response=ERROR_RESPONSES,
    summary="A job as a Python script or a YAML file",
)
def get_code(request: HttpRequest, job_id: UUID, format: CodeFormat = "python") -> HttpResponse:
    """Python repeats the job with transformers and peft; YAML holds the body that starts it again under `job`."""
    file = code_file(selectors.get_job(current_user(request), job_id), format)
    return HttpResponse(file.text, content_type=file.content_type)
