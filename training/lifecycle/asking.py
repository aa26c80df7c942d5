"""What a person asks of a job."""

from __future__ import annotations

import uuid

from django.db import transaction
from django.utils import timezone

from training.lifecycle.stream import append_events
from training.models import TrainingJob

Status = TrainingJob.Status
Stage = TrainingJob.Stage


@transaction.atomic
def request_cancel(job_id: uuid.UUID) -> bool:
    """End a waiting job at once, or ask the worker of a running one; False when it is over already."""
    now = timezone.now()
    ended = TrainingJob.objects.filter(pk=job_id, status=Status.PENDING).update(
        status=Status.CANCELLED, stage=Stage.DONE, cancel_requested_at=now, completed_at=now
    )
    if ended:
        append_events(job_id, [("finished", {"status": Status.CANCELLED.value})])
        return True
    asked = TrainingJob.objects.filter(pk=job_id, status=Status.RUNNING).update(
        stage=Stage.CANCELLING, cancel_requested_at=now
    )
    if asked:
        append_events(job_id, [("stage", {"stage": Stage.CANCELLING.value})])
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
        append_events(job_id, [("stage", {"stage": Stage.STOPPING.value})])
    return bool(asked)
