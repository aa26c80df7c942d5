"""API calls about starting points."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from common.api import ERROR_RESPONSES
from training.api.router import router
from training.schemas import (
    PresetsSchema,
    presets_answer,
)


@router.get(
    "/presets",
    response={200: PresetsSchema} | ERROR_RESPONSES,
    exclude_none=True,
    summary="Starting points",
)
def presets(request: HttpRequest) -> Any:
    return presets_answer()
