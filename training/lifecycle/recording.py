"""The worker's heartbeat: progress is written and the lease renewed in one transaction."""

from __future__ import annotations

from django.db import transaction
from django.db.models import F

from training.lifecycle.lease import Lease, LeaseLostError, Progress, Request, held
from training.lifecycle.stream import append_events
from training.lifecycle.usage import count_device_seconds
from training.models import MetricPoint, TrainingJob

Stage = TrainingJob.Stage

ASKED_STAGES = {Request.CANCEL: Stage.CANCELLING, Request.STOP: Stage.STOPPING}


def record(lease: Lease, progress: Progress) -> Request:
    """Write progress and renew the lease; brings back what the person asked.

    Raises:
        LeaseLostError: the job was given to another worker, or has ended.
    """
    with transaction.atomic():
        changed = held(lease).update(lease_count=F("lease_count") + 1, **progress.fields)
        if not changed:
            raise LeaseLostError
        if progress.device_seconds:
            count_device_seconds(lease.job_id, progress.device_seconds)
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
        append_events(lease.job_id, progress.events)
        return show_request(lease)


def show_request(lease: Lease) -> Request:
    """What the person asked, which no stage of the engine takes off the page again.

    Called after an UPDATE that locked the row, so nobody can ask in between.
    """
    job = TrainingJob.objects.only("stage", "cancel_requested_at", "stop_requested_at").get(
        pk=lease.job_id
    )
    request = _request_of(job)
    if request is not Request.NONE and job.stage != ASKED_STAGES[request]:
        held(lease).update(stage=ASKED_STAGES[request])
    return request


def _request_of(job: TrainingJob) -> Request:
    if job.cancel_requested_at is not None:
        return Request.CANCEL
    return Request.NONE if job.stop_requested_at is None else Request.STOP
