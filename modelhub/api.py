"""API calls about base models: which there are, and whether Ollama answers."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Router, Status

from common.api import ERROR_RESPONSES
from common.errors import NotFoundError
from modelhub.ollama import OllamaHealth, ollama_health
from modelhub.schemas import ModelCheck, ModelList, OllamaHealthSchema
from modelhub.selectors import base_models, get_base_model

router = Router(tags=["models"])


@router.get("", response={200: ModelList} | ERROR_RESPONSES, summary="Base models")
def model_list(request: HttpRequest) -> dict[str, Any]:
    return {"models": base_models()}


@router.get(
    "/health",
    response={200: OllamaHealthSchema, 503: OllamaHealthSchema},
    summary="Ollama's health",
)
def model_health(request: HttpRequest) -> Status[OllamaHealth]:
    """503 when OLLAMA_URL is set but the server there does not answer."""
    health = ollama_health()
    return Status(503 if health.status == "unreachable" else 200, health)


@router.get(
    "/check/{path:name}",
    response={200: ModelCheck} | ERROR_RESPONSES,
    summary="Whether a base model is here",
)
def model_check(request: HttpRequest, name: str) -> ModelCheck:
    try:
        get_base_model(name)
    except NotFoundError:
        return ModelCheck(model_name=name, exists=False)
    return ModelCheck(model_name=name, exists=True)
