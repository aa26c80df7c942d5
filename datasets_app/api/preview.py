"""The API call that gives examples as the model will see them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.utils.translation import gettext as _

from common.api import ERROR_RESPONSES, current_user
from common.errors import Fault, InvalidInputError, UnavailableError
from datasets_app.api.router import router
from datasets_app.forms.preview import PreviewForm
from datasets_app.preview.lengths import token_lengths
from datasets_app.preview.ready_models import ready_models
from datasets_app.preview.tokens import preview_page
from datasets_app.schemas import PreviewSchema
from datasets_app.selectors import get_dataset, latest_version


@router.get(
    "/{uuid:dataset_id}/preview",
    response={200: PreviewSchema} | ERROR_RESPONSES,
    summary="Examples as the model will see them, token by token",
)
def dataset_preview(
    request: HttpRequest,
    dataset_id: UUID,
    base_model: str = "",
    max_length: str = "",
    overlong: str = "",
    page: int = 1,
) -> dict[str, Any]:
    """Ten examples a page; counts is about all examples, or an even sample of a large dataset."""
    version = latest_version(get_dataset(current_user(request), dataset_id))
    models = ready_models()
    if not models:
        raise UnavailableError(_("No base model is ready on this server yet. Try again later."))
    asked = {"base_model": base_model, "max_length": max_length, "overlong": overlong}
    form = PreviewForm({name: value for name, value in asked.items() if value}, models)
    if not form.is_valid():
        faults = [
            Fault(str(sentence), field=name)
            for name, sentences in form.errors.items()
            for sentence in sentences
        ]
        raise InvalidInputError(faults[0].message, faults=faults)
    settings = form.settings()
    lengths = token_lengths(version, settings.base_model)
    return {
        "base_model": settings.base_model.name,
        "max_length": settings.max_length,
        "overlong": settings.overlong,
        "counts": lengths.outcome(settings.max_length, settings.overlong),
        "examples": list(preview_page(version, settings, str(page))),
    }
