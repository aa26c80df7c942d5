"""API calls about base models: which there are, whether Ollama answers, and fetching more of its models."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Header, Router, Status

from accounts.idempotency import once
from common.api import ERROR_RESPONSES, current_user, paginated
from common.errors import NotFoundError
from modelhub.models import ModelPull
from modelhub.ollama.health import OllamaHealth, ollama_health
from modelhub.pulling import check_may_pull, request_pull, stop_pull
from modelhub.pulling_selectors import get_pull, pulls_visible_to
from modelhub.schemas import ModelCheck, ModelList, OllamaHealthSchema, PullSchema
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
    """A model of Ollama may be named without its tag, as Ollama itself allows: then `latest` is meant."""
    return ModelCheck(model_name=name, exists=any(map(_is_here, (name, f"{name}:latest"))))


def _is_here(name: str) -> bool:
    try:
        get_base_model(name)
    except NotFoundError:
        return False
    return True


@router.post(
    "/pull/{path:name}",
    response={202: PullSchema} | ERROR_RESPONSES,
    summary="Let Ollama fetch a model",
)
def model_pull(
    request: HttpRequest,
    name: str,
    idempotency_key: Annotated[str | None, Header(None, alias="Idempotency-Key")] = None,
) -> Status[ModelPull]:
    """Instructors only. A model that is being fetched already answers with that pull."""
    user = current_user(request)
    pull = once(
        user,
        scope="models.pull",
        key=idempotency_key,
        create=lambda: request_pull(user, name),
        find=lambda pull_id: get_pull(user, UUID(pull_id)),
    )
    return Status(202, pull)


@router.get(
    "/pulls",
    response={200: list[PullSchema]} | ERROR_RESPONSES,
    summary="Pulls, newest first",
)
@paginated
def pull_list(request: HttpRequest) -> QuerySet[ModelPull]:
    """Instructors only."""
    check_may_pull(current_user(request))
    return pulls_visible_to(current_user(request))


@router.get(
    "/pulls/{uuid:pull_id}",
    response={200: PullSchema} | ERROR_RESPONSES,
    summary="How far a pull is",
)
def pull_detail(request: HttpRequest, pull_id: UUID) -> ModelPull:
    return get_pull(current_user(request), pull_id)


@router.post(
    "/pulls/{uuid:pull_id}/cancel",
    response={202: PullSchema} | ERROR_RESPONSES,
    summary="Stop a pull",
)
def pull_cancel(request: HttpRequest, pull_id: UUID) -> Status[ModelPull]:
    """409 when it has ended already."""
    user = current_user(request)
    pull = get_pull(user, pull_id)
    stop_pull(user, pull)
    pull.refresh_from_db()
    return Status(202, pull)
