"""Whether an evaluation set holds examples of the training set."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from common.errors import NotFoundError, UnavailableError
from common.http import AuthenticatedRequest
from datasets_app.selectors import (
    can_edit,
    datasets_visible_to,
    get_dataset,
    latest_version,
    leaks_between,
)
from datasets_app.views.finding import dataset_or_404

SHOWN_LEAKS = 100
CHOICES = 200


@login_required
@require_safe
def dataset_overlap(request: AuthenticatedRequest, dataset_id: UUID) -> HttpResponse:
    """`?with=` names the evaluation set; the dataset of the address is the training set."""
    dataset = dataset_or_404(request, dataset_id)
    wanted = request.GET.get("with", "")
    context: dict[str, Any] = {
        "dataset": dataset,
        "tab": "report",
        "can_edit": can_edit(request.user, dataset),
        "wanted": wanted,
        "choices": datasets_visible_to(request.user).exclude(pk=dataset.pk)[:CHOICES],
    }
    if wanted:
        try:
            evaluation = get_dataset(request.user, wanted)
            overlap, rows = leaks_between(
                latest_version(dataset), latest_version(evaluation), limit=SHOWN_LEAKS
            )
            context |= {"evaluation": evaluation, "overlap": overlap, "rows": rows}
        except (NotFoundError, UnavailableError) as error:
            context["refusal"] = str(error.message)
    return render(request, "datasets_app/dataset_overlap.html", context)
