"""API calls about sweeps: one job for each combination of values."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Field, Header, Schema, Status
from pydantic import ConfigDict

from common.api import ERROR_RESPONSES, current_user, paginated
from training.api.router import router
from training.comparing.results import JobResult
from training.models import Sweep
from training.services.sweeping import SweepOrder, cancel_sweep, create_sweep, delete_sweep
from training.sweeping.axes import MAX_AXES, MAX_JOBS, AxisOrder
from training.sweeping.board import SweepBoard, SweepRow, board_of
from training.sweeping.reading import get_sweep, jobs_of, sweeps_visible_to


class AxisSchema(Schema):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(
        description="A hyperparameter with its prefix, as lora_config.r or training_config.learning_rate"
    )
    values: list[Any] = Field(description="At least two legal values, each once")


class SweepRequest(Schema):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="Each job gets this name and its own values")
    from_job_id: UUID = Field(description="One of your jobs; its other settings stay the same")
    axes: list[AxisSchema] = Field(
        description=f"Up to {MAX_AXES} settings to vary; all combinations together {MAX_JOBS} jobs at most"
    )


class SweepJobSchema(Schema):
    """One combination of values with what its job has shown so far."""

    id: UUID
    name: str
    values: list[Any] = Field(description="One for each axis, in their order")
    status: str
    progress: float
    training_loss: float | None = Field(description="Mean over the last tenth of the steps")
    eval_loss: float | None = Field(description="Held-out loss of the adapter that is kept")
    gain: float | None = Field(description="By how much it is below that of the base model")
    device_seconds: float
    is_best: bool = Field(description="Whether no completed job of the sweep has a lower loss")
    error_code: str


class SweepSummarySchema(Schema):
    id: UUID
    name: str
    axes: list[AxisSchema]
    created_at: datetime
    counts: dict[str, int] = Field(description="Its jobs by status")

    @staticmethod
    def resolve_counts(sweep: Any) -> dict[str, int]:
        if isinstance(sweep, dict):
            return sweep["counts"]
        names = ("pending", "running", "completed", "failed", "cancelled")
        return {name: getattr(sweep, f"{name}_count") for name in names}


class SweepSchema(SweepSummarySchema):
    metric: str = Field(
        description="The loss that decides which is best: eval_loss or training_loss"
    )
    is_comparable: bool = Field(
        description="False where a varied setting changes what is measured; then none is best"
    )
    jobs: list[SweepJobSchema] = Field(description="Those that were not deleted")


@router.post(
    "/sweeps", response={201: SweepSchema} | ERROR_RESPONSES, summary="Vary one or two settings"
)
def start_sweep(
    request: HttpRequest,
    body: SweepRequest,
    idempotency_key: Annotated[str, Header("", alias="Idempotency-Key")],
) -> Status[Any]:
    order = SweepOrder(
        name=body.name,
        from_job_id=body.from_job_id,
        axes=[AxisOrder(axis.name, axis.values) for axis in body.axes],
    )
    sweep = create_sweep(current_user(request), order, idempotency_key=idempotency_key)
    return Status(201, _answer(request, sweep))


@router.get(
    "/sweeps",
    response={200: list[SweepSummarySchema]} | ERROR_RESPONSES,
    summary="Your sweeps, newest first",
)
@paginated
def list_sweeps(request: HttpRequest) -> QuerySet[Sweep]:
    return sweeps_visible_to(current_user(request))


@router.get(
    "/sweeps/{uuid:sweep_id}",
    response={200: SweepSchema} | ERROR_RESPONSES,
    summary="One sweep with its jobs and results",
)
def one_sweep(request: HttpRequest, sweep_id: UUID) -> Any:
    return _answer(request, get_sweep(current_user(request), sweep_id))


@router.post(
    "/sweeps/{uuid:sweep_id}/cancel",
    response={202: SweepSchema} | ERROR_RESPONSES,
    summary="Cancel the jobs of a sweep that wait or run",
)
def cancel_jobs_of_sweep(request: HttpRequest, sweep_id: UUID) -> Status[Any]:
    user = current_user(request)
    sweep = get_sweep(user, sweep_id)
    cancel_sweep(user, sweep)
    return Status(202, _answer(request, sweep))


@router.delete(
    "/sweeps/{uuid:sweep_id}",
    response={204: None} | ERROR_RESPONSES,
    summary="Delete a sweep; its jobs stay",
)
def remove_sweep(request: HttpRequest, sweep_id: UUID) -> Status[None]:
    delete_sweep(get_sweep(current_user(request), sweep_id))
    return Status(204, None)


def _answer(request: HttpRequest, sweep: Sweep) -> dict[str, Any]:
    board = board_of(sweep, jobs_of(current_user(request), sweep))
    return {
        "id": sweep.pk,
        "name": sweep.name,
        "axes": sweep.axes,
        "created_at": sweep.created_at,
        "counts": board.counts,
        "metric": board.metric,
        "is_comparable": board.is_fair,
        "jobs": _jobs(board),
    }


def _jobs(board: SweepBoard) -> list[dict[str, Any]]:
    return [_job(row, row.result) for row in board.rows if row.result is not None]


def _job(row: SweepRow, result: JobResult) -> dict[str, Any]:
    job = result.job
    return {
        "id": job.pk,
        "name": job.name,
        "values": list(row.combination),
        "status": job.status,
        "progress": job.progress,
        "training_loss": result.training_loss,
        "eval_loss": result.kept,
        "gain": result.gain,
        "device_seconds": job.device_seconds,
        "is_best": row.is_best,
        "error_code": job.error_code,
    }
