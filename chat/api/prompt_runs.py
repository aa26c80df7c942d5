"""API calls about runs: a prompt set put to several models, and what came of it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from ninja import Field, Header, Schema, Status
from pydantic import ConfigDict

from accounts.idempotency import once
from chat.api.router import router
from chat.models import PromptRun
from chat.prompt_sets.export import as_data, export_response
from chat.prompt_sets.finding import get_run, runs_of
from chat.prompt_sets.progress import progress_of
from chat.prompt_sets.results import results_of
from chat.services.prompt_runs import (
    MAX_MODELS,
    RunOrder,
    cancel_run,
    delete_run,
    start_run,
)
from common.api import ERROR_RESPONSES, current_user, paginated
from common.errors import ConflictError


class RunRequest(Schema):
    """Exactly one of set_id, course_id, dataset_id and held_out_job_id."""

    model_config = ConfigDict(extra="forbid")

    models: list[str] = Field(
        description=f"One to {MAX_MODELS}: job-<id> for a tuned model, else the name of a base model"
    )
    set_id: UUID | None = None
    course_id: str | None = Field(
        default=None, description="As GET /chat/prompt-sets/courses lists"
    )
    dataset_id: UUID | None = None
    version: int | None = Field(
        default=None, description="Of the dataset; the newest when left out"
    )
    held_out_job_id: UUID | None = Field(
        default=None, description="The examples that this training job was measured on"
    )
    name: str = Field(default="", description="That of the questions when left out")
    settings: dict[str, Any] = Field(
        default_factory=dict,
        description="system_prompt, and sampling that is not greedy with 128 tokens and seed 0",
    )


class ModelProgressSchema(Schema):
    name: str
    done: int
    total: int


class RunModelSchema(Schema):
    """A model as it was when the run began."""

    id: UUID = Field(description="Within this run")
    name: str
    kind: str = Field(description="tuned or base")
    job_id: UUID | None
    base_model: str
    base_digest: str
    adapter_digest: str


class RunSchema(Schema):
    id: UUID
    name: str
    state: str = Field(description="running, completed or cancelled")
    source: dict[str, Any] = Field(description="Where the questions come from")
    digest: str = Field(description="sha256 of the questions and hoped-for answers")
    item_count: int
    models: list[RunModelSchema]
    created_at: datetime
    completed_at: datetime | None = Field(description="When it was judged; null until then")

    @staticmethod
    def resolve_name(run: PromptRun) -> str:
        return run.session.name

    @staticmethod
    def resolve_item_count(run: PromptRun) -> int:
        return len(run.items)

    @staticmethod
    def resolve_models(run: PromptRun) -> list[dict[str, Any]]:
        models: list[dict[str, Any]] = run.results["models"]
        return models


class RunDetailSchema(RunSchema):
    progress: list[ModelProgressSchema] = Field(
        description="Questions that each model is done with"
    )

    @staticmethod
    def resolve_progress(run: PromptRun) -> list[Any]:
        return list(progress_of(run).models)


class ResultsSchema(Schema):
    """Summary and differences hold a value for each of exact, similarity and loss, in the order of the models."""

    id: UUID
    name: str
    state: str
    source: dict[str, Any]
    digest: str
    created_at: datetime
    completed_at: datetime | None
    settings: dict[str, Any]
    sampling: dict[str, Any]
    similarity_measure: str = Field(description="Which measure of similarity, with its version")
    models: list[RunModelSchema]
    summary: list[dict[str, Any]] = Field(description="Means with 95 % intervals (low, high)")
    differences: list[dict[str, Any]] = Field(
        description="Against the model at the place `baseline`; verdict is better, worse or unclear"
    )
    items: list[dict[str, Any]] = Field(description="Each question with every model's answer")


@router.post(
    "/prompt-runs",
    response={201: RunSchema} | ERROR_RESPONSES,
    summary="Put questions to one to four models",
)
def start_prompt_run(
    request: HttpRequest,
    body: RunRequest,
    idempotency_key: Annotated[str | None, Header(alias="Idempotency-Key")] = None,
) -> Status[PromptRun]:
    user = current_user(request)

    def create() -> PromptRun:
        return start_run(user, RunOrder(**body.model_dump()))

    run = once(
        user,
        scope="prompt_run",
        key=idempotency_key,
        create=create,
        find=lambda pk: get_run(user, pk),
    )
    return Status(201, run)


@router.get(
    "/prompt-runs",
    response={200: list[RunSchema]} | ERROR_RESPONSES,
    summary="The caller's runs, newest first",
)
@paginated
def list_prompt_runs(request: HttpRequest) -> QuerySet[PromptRun]:
    return runs_of(current_user(request))


@router.get(
    "/prompt-runs/{uuid:run_id}",
    response={200: RunDetailSchema} | ERROR_RESPONSES,
    summary="One run, and how far it is",
)
def one_prompt_run(request: HttpRequest, run_id: UUID) -> PromptRun:
    return get_run(current_user(request), run_id)


@router.get(
    "/prompt-runs/{uuid:run_id}/results",
    response={200: ResultsSchema} | ERROR_RESPONSES,
    summary="What came of a run; of one under way what is answered by now",
)
def prompt_run_results(request: HttpRequest, run_id: UUID) -> dict[str, Any]:
    run = get_run(current_user(request), run_id)
    return as_data(run, results_of(run))


@router.get(
    "/prompt-runs/{uuid:run_id}/export",
    response={200: None} | ERROR_RESPONSES,
    summary="The outcome as a file",
)
def export_prompt_run(request: HttpRequest, run_id: UUID, format: str = "csv") -> HttpResponse:
    """`format` is csv or json."""
    run = get_run(current_user(request), run_id)
    return export_response(run, results_of(run), format)


@router.post(
    "/prompt-runs/{uuid:run_id}/cancel",
    response={202: RunSchema} | ERROR_RESPONSES,
    summary="Stop a run; what was answered stays",
)
def cancel_prompt_run(request: HttpRequest, run_id: UUID) -> Status[PromptRun]:
    user = current_user(request)
    run = get_run(user, run_id)
    if not cancel_run(run):
        raise ConflictError(_("The run was over already."))
    return Status(202, get_run(user, run_id))


@router.delete(
    "/prompt-runs/{uuid:run_id}",
    response={204: None} | ERROR_RESPONSES,
    summary="Delete a run with its answers",
)
def remove_prompt_run(request: HttpRequest, run_id: UUID) -> Status[None]:
    delete_run(get_run(current_user(request), run_id))
    return Status(204, None)
