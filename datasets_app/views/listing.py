"""The list of a person's datasets."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from common.http import AuthenticatedRequest
from datasets_app.selectors import datasets_visible_to

DATASETS_PER_PAGE = 24


@login_required
@require_safe
def dataset_list(request: AuthenticatedRequest) -> HttpResponse:
    page = Paginator(datasets_visible_to(request.user), DATASETS_PER_PAGE).get_page(
        request.GET.get("page")
    )
    return render(request, "datasets_app/dataset_list.html", {"page": page})
