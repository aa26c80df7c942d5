"""The page with the examples of a dataset."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.template.defaultfilters import filesizeformat
from django.views.decorators.http import require_safe

from common.errors import UnavailableError
from common.http import AuthenticatedRequest
from datasets_app.models import DatasetVersion
from datasets_app.preview.examples import preview_page
from datasets_app.selectors import can_edit, latest_version
from datasets_app.services.editing import MAX_EDITED_BYTES
from datasets_app.versions.changes import change_sentence
from datasets_app.views.finding import dataset_or_404, version_or_404
from datasets_app.wording.names import ENCODING_NAMES, FORMAT_NAMES


@login_required
@require_safe
def dataset_detail(request: AuthenticatedRequest, dataset_id: UUID) -> HttpResponse:
    """The newest version, or with `?version=` an older one; `?saved=` tells what was just changed."""
    dataset = dataset_or_404(request, dataset_id)
    version = version_or_404(dataset, request.GET.get("version"))
    newest = latest_version(dataset)
    may_edit = can_edit(request.user, dataset)
    is_small = newest.size_bytes <= MAX_EDITED_BYTES
    context: dict[str, Any] = {
        "dataset": dataset,
        "tab": "examples",
        "can_edit": may_edit,
        "is_owner": dataset.owner_id == request.user.pk,
        "version": version,
        "newest": newest,
        "is_old": version.number != newest.number,
        "can_change_rows": may_edit and is_small and version.number == newest.number,
        "edit_limit": "" if is_small or not may_edit else filesizeformat(MAX_EDITED_BYTES),
        "saved": _saved_change(request, list(dataset.versions.all()), may_edit=may_edit),
        "format_name": FORMAT_NAMES.get(version.source_format, version.source_format),
        "encoding_name": ENCODING_NAMES.get(version.source_encoding, version.source_encoding),
        "warning_count": sum(issue["severity"] == "warning" for issue in version.issues),
        "is_estimate": version.token_stats.get("counted", 0) < version.example_count,
    }
    try:
        context["page"] = preview_page(version, request.GET.get("page"))
    except UnavailableError as error:
        context["missing"] = str(error.message)
    return render(request, "datasets_app/dataset_detail.html", context)


def _saved_change(
    request: AuthenticatedRequest, versions: list[DatasetVersion], *, may_edit: bool
) -> dict[str, Any] | None:
    """What the newest version changed and which version undoes it, right after it was saved."""
    newest = versions[0]
    if not may_edit or request.GET.get("saved") != str(newest.number) or len(versions) == 1:
        return None
    return {
        "sentence": change_sentence(newest),
        "number": newest.number,
        "previous_number": versions[1].number,
    }
