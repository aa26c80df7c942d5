"""The page of a dataset, and its download."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.core.files.storage import default_storage
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from common.errors import UnavailableError
from common.http import AuthenticatedRequest
from datasets_app.preview import preview_page
from datasets_app.selectors import can_edit, latest_version
from datasets_app.sentences import ENCODING_NAMES, FORMAT_NAMES, issue_sentence
from datasets_app.views.finding import dataset_or_404


@login_required
@require_safe
def dataset_detail(request: AuthenticatedRequest, dataset_id: UUID) -> HttpResponse:
    dataset = dataset_or_404(request, dataset_id)
    version = latest_version(dataset)
    context: dict[str, Any] = {
        "dataset": dataset,
        "tab": "examples",
        "can_edit": can_edit(request.user, dataset),
        "version": version,
        "format_name": FORMAT_NAMES.get(version.source_format, version.source_format),
        "encoding_name": ENCODING_NAMES.get(version.source_encoding, version.source_encoding),
        "issues": [issue | {"message": issue_sentence(issue)} for issue in version.issues],
        "is_estimate": version.token_stats.get("counted", 0) < version.example_count,
    }
    try:
        context["page"] = preview_page(version, request.GET.get("page"))
    except UnavailableError as error:
        context["missing"] = str(error.message)
    return render(request, "datasets_app/dataset_detail.html", context)


@login_required
@require_safe
def dataset_download(request: AuthenticatedRequest, dataset_id: UUID) -> HttpResponse:
    """The stored JSON lines, always as a download: a browser must never show what a person wrote as a page."""
    dataset = dataset_or_404(request, dataset_id)
    try:
        with default_storage.open(latest_version(dataset).file, "rb") as stream:
            content = stream.read()
    except FileNotFoundError as error:
        raise Http404 from error
    response = HttpResponse(content, content_type="application/octet-stream")
    response["Content-Disposition"] = content_disposition_header(True, f"{dataset.name}.jsonl")
    return response
