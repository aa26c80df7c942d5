"""The page that asks before a dataset is deleted."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from common.errors import ConflictError
from common.http import AuthenticatedRequest
from datasets_app.services.deleting import delete_dataset
from datasets_app.views.finding import dataset_or_404


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def dataset_delete(request: AuthenticatedRequest, dataset_id: UUID) -> HttpResponse:
    dataset = dataset_or_404(request, dataset_id)
    if dataset.owner_id != request.user.pk:
        # Others read it, and some change it, but it is not theirs to delete.
        raise PermissionDenied
    if request.method != "POST":
        return render(request, "datasets_app/dataset_delete.html", {"dataset": dataset})
    try:
        delete_dataset(dataset, actor=request.user)
    except ConflictError as error:
        messages.error(request, str(error.message))
        return redirect("datasets:dataset_detail", dataset_id)
    messages.success(request, _("“%(name)s” is deleted.") % {"name": dataset.name})
    return redirect("datasets:dataset_list")
