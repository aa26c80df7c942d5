"""Legal state changes of a training job. Queues nothing, so services and workers both may call it.

Every change is a conditional UPDATE: one changed row means that it is ours, none means that somebody was first.

pending -> running -> completed | failed | cancelled; pending -> cancelled; running -> pending when a worker
gives it back.
"""

from __future__ import annotations

import enum
import uuid
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from modelhub.models import Worker
from training.events import publish_change
from training.models import Adapter, MetricPoint, TrainingEvent, TrainingJob

Status = TrainingJob.Status
Stage = TrainingJob.Stage


class Request(enum.StrEnum):
    """What the person asked of a running job; a cancel wins over a stop."""

    NONE = ""
    CANCEL = "cancel"
    STOP = "stop"


ASKED_STAGES = {Request.CANCEL: Stage.CANCELLING, Request.STOP: Stage.STOPPING}


class LeaseLostError(Exception):
    """The job is not this worker's any more: stop, and write nothing."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right of one worker to write to one running job."""

    job_id: uuid.UUID
    token: uuid.UUID
    attempt: int


@dataclass(slots=True)
class Progress:
    """What a worker has to report since its last write."""

    fields: dict[str, Any] = field(default_factory=dict)
    points: list[MetricPoint] = field(default_factory=list)
    events: list[tuple[str, Any]] = field(default_factory=list)


def claim_next(worker_name: str) -> Lease | None:
    """Take the job that waits longest, or None when none waits that this worker could train."""
    while True:
        job_id = (
            _waiting_for(worker_name).order_by("created_at").values_list("pk", flat=True).first()
        )
        if job_id is None:
            return None
        lease = _claim(job_id, worker_name)
        if lease is not None:
            return lease


def _waiting_for(worker_name: str) -> QuerySet[TrainingJob]:
    waiting = TrainingJob.objects.filter(status=Status.PENDING)
    if Worker.objects.filter(name=worker_name, device=Worker.CUDA).exists():
        return waiting
    # A comparison with a key that is not there is neither true nor false, hence the first part.
    return waiting.filter(Q(lora_config__variant__isnull=True) | ~Q(lora_config__variant="qlora"))


@transaction.atomic
def _claim(job_id: uuid.UUID, worker_name: str) -> Lease | None:
    token = uuid.uuid4()
    changed = TrainingJob.objects.filter(pk=job_id, status=Status.PENDING).update(
        status=Status.RUNNING,
        stage=Stage.PREPARING,
        worker_name=worker_name,
        lease_token=token,
        lease_count=0,
        attempt=F("attempt") + 1,
        started_at=timezone.now(),
        training_started_at=None,
        current_step=0,
        current_epoch=0,
    )
    if not changed:
        return None
    # What an earlier attempt measured belongs to weights that are gone.
    MetricPoint.objects.filter(job_id=job_id).delete()
    attempt = TrainingJob.objects.values_list("attempt", flat=True).get(pk=job_id)
    lease = Lease(job_id, token, attempt)
    _append_events(job_id, [("stage", {"stage": Stage.PREPARING.value, "attempt": attempt})])
    _show_request(lease)
    return lease


def record(lease: Lease, progress: Progress) -> Request:
    """Write progress and renew the lease; brings back what the person asked.

    Raises:
        LeaseLostError: the job was given to another worker, or has ended.
    """
    with transaction.atomic():
        changed = _held(lease).update(lease_count=F("lease_count") + 1, **progress.fields)
        if not changed:
            raise LeaseLostError
        MetricPoint.objects.bulk_create(
            progress.points,
            update_conflicts=True,
            unique_fields=["job", "step"],
            update_fields=[
                "epoch",
                "loss",
                "learning_rate",
                "eval_loss",
                "grad_norm",
                "tokens_per_second",
                "recorded_at",
            ],
        )
        _append_events(lease.job_id, progress.events)
        return _show_request(lease)


def _show_request(lease: Lease) -> Request:
    """What the person asked, which no stage of the engine takes off the page again.

    Called after an UPDATE that locked the row, so nobody can ask in between.
    """
    job = TrainingJob.objects.only("stage", "cancel_requested_at", "stop_requested_at").get(
        pk=lease.job_id
    )
    request = _request_of(job)
    if request is not Request.NONE and job.stage != ASKED_STAGES[request]:
        _held(lease).update(stage=ASKED_STAGES[request])
    return request


def _request_of(job: TrainingJob) -> Request:
    if job.cancel_requested_at is not None:
        return Request.CANCEL
    return Request.NONE if job.stop_requested_at is None else Request.STOP


@transaction.atomic
def complete(
    lease: Lease,
    *,
    adapter: Adapter,
    fields: dict[str, Any],
    ending: dict[str, Any] | None = None,
) -> None:
    """The adapter is in storage: make it the job's result.

    Args:
        ending: how the training ended, for the job's log.
    """
    _finish(lease, Status.COMPLETED, fields, ending or {})
    adapter.save(force_insert=True)


@transaction.atomic
def fail(lease: Lease, code: str, params: dict[str, Any] | None = None) -> None:
    failure = {"error_code": code, "error_params": params or {}}
    _finish(lease, Status.FAILED, failure, failure)


@transaction.atomic
def finish_cancelled(lease: Lease) -> None:
    _finish(lease, Status.CANCELLED, {}, {})


def _finish(
    lease: Lease, status: TrainingJob.Status, fields: dict[str, Any], ending: dict[str, Any]
) -> None:
    changed = _held(lease).update(
        status=status, stage=Stage.DONE, lease_token=None, completed_at=timezone.now(), **fields
    )
    if not changed:
        raise LeaseLostError
    _append_events(lease.job_id, [("finished", {"status": status.value} | ending)])


@transaction.atomic
def request_cancel(job_id: uuid.UUID) -> bool:
    """End a waiting job at once, or ask the worker of a running one; False when it is over already."""
    now = timezone.now()
    ended = TrainingJob.objects.filter(pk=job_id, status=Status.PENDING).update(
        status=Status.CANCELLED, stage=Stage.DONE, cancel_requested_at=now, completed_at=now
    )
    if ended:
        _append_events(job_id, [("finished", {"status": Status.CANCELLED.value})])
        return True
    asked = TrainingJob.objects.filter(pk=job_id, status=Status.RUNNING).update(
        stage=Stage.CANCELLING, cancel_requested_at=now
    )
    if asked:
        _append_events(job_id, [("stage", {"stage": Stage.CANCELLING.value})])
    return bool(asked)


@transaction.atomic
def request_stop(job_id: uuid.UUID) -> bool:
    """Ask the worker of a running job to finish and keep its adapter; False when it can not be asked (any more)."""
    asked = TrainingJob.objects.filter(
        pk=job_id,
        status=Status.RUNNING,
        cancel_requested_at__isnull=True,
        stop_requested_at__isnull=True,
    ).update(stage=Stage.STOPPING, stop_requested_at=timezone.now())
    if asked:
        _append_events(job_id, [("stage", {"stage": Stage.STOPPING.value})])
    return bool(asked)


@transaction.atomic
def release(job_id: uuid.UUID, token: uuid.UUID, *, is_charged: bool) -> None:
    """Give a running job back to the queue: its worker stops or was lost.

    A lost worker is charged to the job, so that a job which kills its worker each time ends as failed.
    """
    job = TrainingJob.objects.filter(pk=job_id, lease_token=token, status=Status.RUNNING).first()
    if job is None:
        return
    lease = Lease(job.pk, token, job.attempt)
    if job.cancel_requested_at is not None:
        finish_cancelled(lease)
    elif is_charged and job.attempt >= settings.MAX_ATTEMPTS:
        fail(lease, "worker_lost")
    else:
        _held(lease).update(
            status=Status.PENDING,
            stage=Stage.QUEUED,
            lease_token=None,
            attempt=F("attempt") - (0 if is_charged else 1),
        )
        _append_events(job_id, [("stage", {"stage": Stage.QUEUED.value, "attempt": job.attempt})])


def _held(lease: Lease) -> Any:
    return TrainingJob.objects.filter(
        pk=lease.job_id, lease_token=lease.token, status=Status.RUNNING
    )


def _append_events(job_id: uuid.UUID, events: list[tuple[str, Any]]) -> None:
    """Add events with the next dense numbers and tell the sockets after commit."""
    if not events:
        return
    # The UPDATE locks the row, so two writers never take the same numbers.
    TrainingJob.objects.filter(pk=job_id).update(event_seq=F("event_seq") + len(events))
    last = TrainingJob.objects.values_list("event_seq", flat=True).get(pk=job_id)
    first = last - len(events) + 1
    TrainingEvent.objects.bulk_create(
        TrainingEvent(job_id=job_id, seq=first + offset, type=kind, payload=payload)
        for offset, (kind, payload) in enumerate(events)
    )
    transaction.on_commit(lambda: publish_change(job_id, last), robust=True)
