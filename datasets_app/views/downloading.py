"""A dataset as a file to keep."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.views.decorators.http import require_safe

from common.errors import DomainError, UnavailableError
from common.http import AuthenticatedRequest
from datasets_app.auditing import record_event
from datasets_app.models import DatasetEvent
from datasets_app.versions.downloads import version_response
from datasets_app.versions.exporting import EXPORT_FORMATS
from datasets_app.views.finding import dataset_or_404, version_or_404


@login_required
@require_safe
def dataset_download(request: AuthenticatedRequest, dataset_id: UUID) -> HttpResponseBase:
    """JSON lines, or with `?format=` CSV or Parquet; `?version=` takes an older version."""
    dataset = dataset_or_404(request, dataset_id)
    version = version_or_404(dataset, request.GET.get("version"))
    wanted = request.GET.get("format", "jsonl")
    export_format = next((known for known in EXPORT_FORMATS if known == wanted), None)
    if export_format is None:
        raise Http404
    try:
        response = version_response(version, export_format)
    except UnavailableError as error:
        raise Http404(str(error.message)) from error
    except DomainError as error:
        messages.error(request, str(error.message))
        return redirect("datasets:dataset_detail", dataset.pk)
    if request.method == "GET":
        record_event(
            request.user,
            DatasetEvent.Action.EXPORTED,
            dataset,
            format=export_format,
            version=version.number,
        )
    return response
