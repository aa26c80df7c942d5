"""A worker takes the next job of the queue."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from modelhub.models import Worker
from training.lifecycle.lease import Lease, Request
from training.lifecycle.recording import ASKED_STAGES, show_request
from training.lifecycle.stream import append_events
from training.models import MetricPoint, TrainingJob
from training.queue.selection import may_start, next_job_id

Status = TrainingJob.Status
Stage = TrainingJob.Stage


def claim_next(worker_name: str) -> Lease | None:
    """Take the job that the queue gives this worker, or None when there is none for it."""
    while (job_id := next_job_id(worker_name)) is not None:
        lease = _claim(job_id, worker_name)
        if lease is not None:
            return lease
    return None


@transaction.atomic
def _claim(job_id: uuid.UUID, worker_name: str) -> Lease | None:
    if not may_start(job_id):
        return None
    token, now = uuid.uuid4(), timezone.now()
    waiting = TrainingJob.objects.filter(pk=job_id, status=Status.PENDING, held_at=None)
    device_names = Worker.objects.filter(name=worker_name).values_list("device_name", flat=True)
    changed = waiting.update(
        status=Status.RUNNING,
        stage=Stage.PREPARING,
        worker_name=worker_name,
        device_name=device_names.first() or "",
        lease_token=token,
        lease_count=0,
        attempt=F("attempt") + 1,
        not_before=None,
        started_at=now,
        training_started_at=None,
        current_step=0,
        current_epoch=0,
    )
    if not changed:
        return None
    # What an earlier attempt measured is told again by a resumed one, and belongs to lost weights otherwise.
    MetricPoint.objects.filter(job_id=job_id).delete()
    job = TrainingJob.objects.only("attempt", "queued_at", "created_at").get(pk=job_id)
    _count_wait(job, now)
    lease = Lease(job_id, token, job.attempt)
    append_events(job_id, [("stage", {"stage": Stage.PREPARING.value, "attempt": job.attempt})])
    request = show_request(lease)
    if request is not Request.NONE:
        # Asked of an earlier attempt, it still holds.
        append_events(job_id, [("stage", {"stage": ASKED_STAGES[request].value})])
    return lease


def _count_wait(job: TrainingJob, now: datetime) -> None:
    waited = (now - (job.queued_at or job.created_at)).total_seconds()
    TrainingJob.objects.filter(pk=job.pk).update(
        waited_seconds=F("waited_seconds") + max(0.0, waited)
    )
