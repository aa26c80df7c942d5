"""A job goes back to the queue: given back in good order, lost with its worker, or resumed by its owner."""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from training.lifecycle.ending import fail, finish_cancelled
from training.lifecycle.lease import Lease, held
from training.lifecycle.stream import append_events
from training.models import TrainingJob

Status = TrainingJob.Status
Stage = TrainingJob.Stage


@transaction.atomic
def release(job_id: uuid.UUID, token: uuid.UUID) -> None:
    """A worker that stops gives a job back in good order: it costs the job nothing."""
    job = _running(job_id, token)
    if job is not None:
        _end_or_wait(job, wait=timedelta())


@transaction.atomic
def lose(job_id: uuid.UUID, token: uuid.UUID, code: str = "worker_lost") -> None:
    """A worker or its engine died over a job. It is charged, so that a job which kills its worker each time ends.

    Args:
        code: the reason, once the job may not be tried again.
    """
    job = _running(job_id, token)
    if job is None:
        return
    lease = Lease(job.pk, token, job.attempt)
    losses = job.lost_attempts + 1
    held(lease).update(lost_attempts=losses)
    if job.cancel_requested_at is None and losses >= settings.MAX_ATTEMPTS:
        fail(lease, code)
        return
    # The first loss is mostly bad luck; each further one makes a fault of the job more likely.
    wait = timedelta(seconds=settings.LOSS_BACKOFF_SECONDS * 4 ** (losses - 1))
    _end_or_wait(job, wait=wait)


def _running(job_id: uuid.UUID, token: uuid.UUID) -> TrainingJob | None:
    return TrainingJob.objects.filter(pk=job_id, lease_token=token, status=Status.RUNNING).first()


def _end_or_wait(job: TrainingJob, *, wait: timedelta) -> None:
    assert job.lease_token is not None
    lease = Lease(job.pk, job.lease_token, job.attempt)
    if job.cancel_requested_at is not None:
        finish_cancelled(lease)
        return
    now = timezone.now()
    held(lease).update(
        status=Status.PENDING,
        stage=Stage.QUEUED,
        lease_token=None,
        queued_at=now,
        not_before=now + wait if wait else None,
    )
    payload = {"stage": Stage.QUEUED.value, "attempt": job.attempt, "is_lost": bool(wait)}
    append_events(job.pk, [("stage", payload)])


@transaction.atomic
def requeue(job_id: uuid.UUID) -> bool:
    """Let a job that failed or was cancelled go on, from its newest checkpoint where there is one.

    Returns:
        False when the job is not over, or has its result.
    """
    changed = TrainingJob.objects.filter(
        pk=job_id, status__in=[Status.FAILED, Status.CANCELLED], adapter=None
    ).update(
        status=Status.PENDING,
        stage=Stage.QUEUED,
        queued_at=timezone.now(),
        not_before=None,
        held_at=None,
        cancel_requested_at=None,
        stop_requested_at=None,
        completed_at=None,
        error_code="",
        error_params={},
        diagnosis={},
        lost_attempts=0,
    )
    if changed:
        append_events(job_id, [("stage", {"stage": Stage.QUEUED.value, "is_resumed": True})])
    return bool(changed)
