"""The list of the datasets that a person may use."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.models import Cohort
from common.http import AuthenticatedRequest
from datasets_app.quotas import user_space
from datasets_app.selectors import open_imports
from datasets_app.sharing.catalogue import Shelf, datasets_on, search_from, shelf_from

DATASETS_PER_PAGE = 24


@login_required
@require_safe
def dataset_list(request: AuthenticatedRequest) -> HttpResponse:
    """All datasets, or with `?show=` a part of them; `?q=` searches in the names."""
    shelf = shelf_from(request.GET.get("show", ""))
    search = search_from(request.GET.get("q", ""))
    page = Paginator(datasets_on(request.user, shelf, search=search), DATASETS_PER_PAGE).get_page(
        request.GET.get("page")
    )
    context = {
        "page": page,
        "shelf": shelf,
        "shelves": Shelf.LABELS,
        "search": search,
        "led_cohorts": set(Cohort.objects.led_by(request.user).values_list("pk", flat=True)),
        "space": user_space(request.user),
        "imports": open_imports(request.user),
        # Somebody without a dataset is shown how to begin.
        "is_beginning": not page.object_list and not search and shelf in (Shelf.ALL, Shelf.MINE),
    }
    return render(request, "datasets_app/dataset_list.html", context)
