"""`GET /api/workers`: every worker with its device, its state and what it holds. Mounted beside training."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.http import HttpRequest
from ninja import Field, Router, Schema

from common.api import ERROR_RESPONSES, current_user, paginated
from modelhub.models import Worker
from training.worker_board import BoardEntry, Reader, worker_board

router = Router(tags=["workers"])


class HeldJobSchema(Schema):
    """A job on a worker; of somebody else's only how far it is, unless the caller leads that class."""

    id: UUID | None = Field(alias="job_id")
    name: str | None
    owner: str | None = Field(alias="owner_name")
    is_own: bool
    progress: float = Field(description="Share of the steps done, 0 to 1")


class RefusalSchema(Schema):
    code: str
    message: str


class WorkerSchema(Schema):
    name: str = Field(alias="worker.name")
    state: Worker.State = Field(alias="worker.state")
    is_paused: bool = Field(alias="worker.is_paused")
    device: str = Field(alias="worker.device")
    device_name: str = Field(alias="worker.device_name")
    dtype: str = Field(alias="worker.dtype")
    memory_bytes: int | None = Field(description="Of the device, or of the machine without a GPU")
    version: str = Field(alias="worker.version")
    tokens_per_second: float | None = Field(description="Measured on its device; null before")
    jobs: list[HeldJobSchema]
    refusal: RefusalSchema | None = Field(description="Why it may take no work")
    started_at: datetime | None = Field(alias="worker.started_at")
    heartbeat_at: datetime = Field(alias="heard_at")
    host: str | None = Field(description="For instructors; null for others")
    pid: int | None = Field(description="For instructors; null for others")
    clock_skew_seconds: float | None = Field(description="For instructors; null for others")

    @staticmethod
    def resolve_memory_bytes(entry: BoardEntry) -> int | None:
        return entry.worker.memory_bytes or None

    @staticmethod
    def resolve_refusal(entry: BoardEntry) -> RefusalSchema | None:
        code = entry.worker.refusal_code
        return RefusalSchema(code=code, message=entry.refusal) if code else None

    @staticmethod
    def resolve_host(entry: BoardEntry) -> str | None:
        return entry.worker.host if entry.shows_host else None

    @staticmethod
    def resolve_pid(entry: BoardEntry) -> int | None:
        return entry.worker.pid if entry.shows_host else None

    @staticmethod
    def resolve_clock_skew_seconds(entry: BoardEntry) -> float | None:
        return entry.worker.clock_skew_seconds if entry.shows_host else None


@router.get("", response={200: list[WorkerSchema]} | ERROR_RESPONSES, summary="Workers")
@paginated
def list_workers(request: HttpRequest) -> list[BoardEntry]:
    """Those that work first; one that is down for days is left out."""
    return worker_board(Reader.of(current_user(request)))
