"""The page that shows a dataset as a base model will see it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.views.decorators.http import require_safe

from common.errors import UnavailableError
from common.http import AuthenticatedRequest
from common.partials import render_partial
from datasets_app.forms.preview import PreviewForm
from datasets_app.models import DatasetVersion
from datasets_app.preview.histogram import histogram
from datasets_app.preview.lengths import token_lengths
from datasets_app.preview.ready_models import ready_models
from datasets_app.preview.tokens import PreviewSettings, preview_page
from datasets_app.selectors import can_edit, latest_version
from datasets_app.views.finding import dataset_or_404

PREVIEW_TEMPLATE = "datasets_app/dataset_preview.html"
PREVIEW_PARTIAL = "preview"


@login_required
@require_safe
def dataset_preview(request: AuthenticatedRequest, dataset_id: UUID) -> HttpResponse:
    """The newest version, for the model and the length that the address names."""
    dataset = dataset_or_404(request, dataset_id)
    context: dict[str, Any] = {
        "dataset": dataset,
        "tab": "preview",
        "can_edit": can_edit(request.user, dataset),
    }
    models = ready_models()
    status = 200
    if models:
        form = PreviewForm(request.GET.dict(), models)
        context["form"] = form
        if form.is_valid():
            context |= _shown(latest_version(dataset), form.settings(), request.GET.get("page"))
        else:
            status = 422
    return render_partial(request, PREVIEW_TEMPLATE, PREVIEW_PARTIAL, context, status=status)


def _shown(version: DatasetVersion, settings: PreviewSettings, page: str | None) -> dict[str, Any]:
    try:
        lengths = token_lengths(version, settings.base_model)
        examples = preview_page(version, settings, page)
    except UnavailableError as error:
        return {"missing": str(error.message)}
    return {
        "page": examples,
        "settings": settings,
        "lengths": lengths,
        "outcome": lengths.outcome(settings.max_length, settings.overlong),
        "histogram": histogram(lengths.lengths, settings.max_length) if lengths.lengths else None,
    }
