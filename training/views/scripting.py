"""A job as code: a page to read and copy it, and the files."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_GET

from common.errors import NotFoundError
from common.http import AuthenticatedRequest
from training import selectors
from training.models import TrainingJob
from training.scripting.files import CODE_FORMATS, CodeFormat, code_file


@login_required
@require_GET
def job_code(request: AuthenticatedRequest, job_id: UUID) -> HttpResponse:
    job = _get_job(request, job_id)
    code_format = _read_format(request.GET.get("format", "python"))
    context = {
        "job": job,
        "code_format": code_format,
        "code": code_file(job, code_format),
        "eval_version": job.eval_dataset_version,
    }
    return render(request, "training/job_code.html", context)


@login_required
@require_GET
def job_code_file(request: AuthenticatedRequest, job_id: UUID, code_format: str) -> HttpResponse:
    file = code_file(_get_job(request, job_id), _read_format(code_format))
    disposition = content_disposition_header(as_attachment=True, filename=file.name)
    return HttpResponse(
        file.text,
        content_type=file.content_type,
        headers={"Content-Disposition": disposition or "attachment"},
    )


def _read_format(text: str) -> CodeFormat:
    found = next((known for known in CODE_FORMATS if known == text), None)
    if found is None:
        raise Http404
    return found


def _get_job(request: AuthenticatedRequest, job_id: UUID) -> TrainingJob:
    try:
        return selectors.get_job(request.user, job_id)
    except NotFoundError as error:
        raise Http404(str(error.message)) from error
