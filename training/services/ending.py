"""End a job: cancel it, stop and keep it, delete it."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from common import storage
from common.errors import (
    ConflictError,
)
from training import lifecycle
from training.models import TrainingJob


def cancel_training_job(job: TrainingJob) -> TrainingJob:
    """End a waiting job at once, or ask the worker of a running one to stop.

    Raises:
        ConflictError: the job is over.
    """
    if not lifecycle.request_cancel(job.pk):
        job.refresh_from_db()
        if job.cancel_requested_at is None:
            raise ConflictError(_("The job is over already, so there is nothing to cancel."))
    job.refresh_from_db()
    return job


def stop_training_job(job: TrainingJob) -> TrainingJob:
    """Ask the worker of a running job to finish after the step at hand and to keep the adapter as it is then.

    Raises:
        ConflictError: the job is over, waits, or is being cancelled.
    """
    if not lifecycle.request_stop(job.pk):
        job.refresh_from_db()
        if refusal := _stop_refusal(job):
            raise ConflictError(refusal)
    job.refresh_from_db()
    return job


def _stop_refusal(job: TrainingJob) -> str:
    """Why the job can not be stopped and kept; empty where it was asked to before."""
    if not job.is_active:
        return _("The job is over already, so there is nothing to stop.")
    if job.cancel_requested_at is not None:
        return _("The job is being cancelled already, so nothing of it can be kept.")
    if job.stop_requested_at is not None:
        return ""
    return _("The job has not started yet, so there is nothing to keep. Cancel it instead.")


def delete_training_job(job: TrainingJob) -> None:
    """Delete a job that is over, with its curves, chats and adapter.

    Raises:
        ConflictError: the job waits or runs.
    """
    with transaction.atomic():
        fresh = TrainingJob.objects.select_for_update().get(pk=job.pk)
        if fresh.is_active:
            raise ConflictError(
                _("The job is still waiting or running. Cancel it first, then delete it.")
            )
        fresh.delete()
        transaction.on_commit(lambda: storage.delete_prefix(f"jobs/{job.pk}"), robust=True)
