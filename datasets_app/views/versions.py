"""The versions of a dataset: listed, compared, restored and deleted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from common.errors import DomainError, UnavailableError
from common.http import AuthenticatedRequest
from datasets_app.models import DatasetVersion
from datasets_app.selectors import can_edit, latest_version
from datasets_app.services.deleting import delete_version
from datasets_app.services.restoring import restore_version
from datasets_app.versions.changes import change_sentence
from datasets_app.versions.shown_differences import compare_versions
from datasets_app.views.finding import (
    dataset_or_404,
    editable_dataset_or_error,
    version_or_404,
)

VERSIONS_PER_PAGE = 20


@dataclass(frozen=True, slots=True)
class ShownVersion:
    """A version in the list, with the number of the one before it."""

    version: DatasetVersion
    sentence: str
    previous_number: int | None
    is_newest: bool


@login_required
@require_safe
def dataset_versions(request: AuthenticatedRequest, dataset_id: UUID) -> HttpResponse:
    """The list; `?from=` and `?to=` lead to the comparison of two versions."""
    dataset = dataset_or_404(request, dataset_id)
    if "from" in request.GET and "to" in request.GET:
        old = version_or_404(dataset, request.GET["from"])
        new = version_or_404(dataset, request.GET["to"])
        return redirect("datasets:dataset_diff", dataset.pk, old.number, new.number)
    numbers = [version.number for version in dataset.versions.all()]
    versions = dataset.versions.select_related("created_by").defer("issues", "statistics")
    page = Paginator(versions, VERSIONS_PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "dataset": dataset,
        "tab": "versions",
        "can_edit": can_edit(request.user, dataset),
        "page": page,
        "versions": [_shown(version, numbers) for version in page],
        "numbers": numbers,
        "newest": latest_version(dataset),
    }
    return render(request, "datasets_app/version_list.html", context)


@login_required
@require_POST
def dataset_restore(request: AuthenticatedRequest, dataset_id: UUID, number: int) -> HttpResponse:
    """Make an old version the newest one; undoing a change is the same."""
    dataset = editable_dataset_or_error(request, dataset_id)
    base = request.POST.get("base", "")
    base_number = int(base) if base.isascii() and base.isdecimal() and len(base) < 10 else 0
    try:
        version = restore_version(request.user, dataset, number, base_number)
    except DomainError as error:
        messages.error(request, str(error.message))
        return redirect("datasets:dataset_versions", dataset.pk)
    address = reverse("datasets:dataset_detail", args=[dataset.pk])
    return redirect(f"{address}?saved={version.number}")


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def version_delete(request: AuthenticatedRequest, dataset_id: UUID, number: int) -> HttpResponse:
    dataset = editable_dataset_or_error(request, dataset_id)
    version = version_or_404(dataset, number)
    if request.method != "POST":
        context = {"dataset": dataset, "version": version}
        return render(request, "datasets_app/version_delete.html", context)
    try:
        delete_version(request.user, dataset, number)
    except DomainError as error:
        messages.error(request, str(error.message))
    else:
        messages.success(request, _("Version %(number)d is deleted.") % {"number": number})
    return redirect("datasets:dataset_versions", dataset.pk)


@login_required
@require_safe
def dataset_diff(
    request: AuthenticatedRequest, dataset_id: UUID, old_number: int, new_number: int
) -> HttpResponse:
    dataset = dataset_or_404(request, dataset_id)
    old = version_or_404(dataset, old_number)
    new = version_or_404(dataset, new_number)
    context: dict[str, Any] = {
        "dataset": dataset,
        "tab": "versions",
        "can_edit": can_edit(request.user, dataset),
        "old": old,
        "new": new,
        "numbers": [version.number for version in dataset.versions.all()],
    }
    try:
        comparison, differences = compare_versions(old, new)
        context |= {"comparison": comparison, "differences": differences}
    except UnavailableError as error:
        context["missing"] = str(error.message)
    return render(request, "datasets_app/version_diff.html", context)


def _shown(version: DatasetVersion, numbers: list[int]) -> ShownVersion:
    previous = next((number for number in numbers if number < version.number), None)
    return ShownVersion(
        version, change_sentence(version), previous, is_newest=version.number == numbers[0]
    )
