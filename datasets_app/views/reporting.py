"""The report about a dataset: can it be used, and what would make it better."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from common.http import AuthenticatedRequest
from datasets_app.selectors import can_edit, latest_version
from datasets_app.views.finding import dataset_or_404
from datasets_app.wording.names import ENCODING_NAMES, FORMAT_NAMES
from datasets_app.wording.report import version_report


@login_required
@require_safe
def dataset_report(request: AuthenticatedRequest, dataset_id: UUID) -> HttpResponse:
    dataset = dataset_or_404(request, dataset_id)
    version = latest_version(dataset)
    context = {
        "dataset": dataset,
        "tab": "report",
        "can_edit": can_edit(request.user, dataset),
        "version": version,
        "report": version_report(version),
        "format_name": FORMAT_NAMES.get(version.source_format, version.source_format),
        "encoding_name": ENCODING_NAMES.get(version.source_encoding, version.source_encoding),
    }
    return render(request, "datasets_app/dataset_report.html", context)
