"""End a job or let it go on: cancel it, stop and keep it, resume it, delete it."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.auditing import note_act
from accounts.models import User
from accounts.notifications import forget, notify
from common import storage
from common.errors import (
    ConflictError,
)
from common.poke import poke_on_commit
from training import lifecycle
from training.models import TrainingJob
from training.services.quotas import check_queue
from training.tasks import run_waiting_jobs


@transaction.atomic
def cancel_training_job(job: TrainingJob, *, by: User | None = None) -> TrainingJob:
    """End a waiting job at once, or ask the worker of a running one to stop.

    Args:
        by: who asks, when it may be another than the owner, who is told then.

    Raises:
        ConflictError: the job is over.
    """
    if not lifecycle.request_cancel(job.pk):
        job.refresh_from_db()
        if job.cancel_requested_at is None:
            raise ConflictError(_("The job is over already, so there is nothing to cancel."))
    elif by is not None and by.pk != job.owner_id:
        notify(
            job.owner_id,
            kind="job_cancelled",
            subject=str(job.pk),
            params={"job_name": job.name},
            path=lifecycle.job_path(job.pk),
        )
        _note(by, "job_cancelled", job)
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


def resume_training_job(job: TrainingJob, *, by: User | None = None) -> TrainingJob:
    """Queue a job that failed or was cancelled once more; it goes on from its newest checkpoint where there is one.

    Args:
        by: who asks, when it may be another than the owner.

    Raises:
        ConflictError: the job is not over, has its result, or would fail for the same reason.
        TooManyRequestsError: its owner has too many jobs waiting, or used up today's device time.
        DiskFullError: the disk is nearly full.
    """
    if not job.can_resume:
        raise ConflictError(_resume_refusal(job))
    storage.check_free_space()
    with transaction.atomic():
        check_queue(job.owner, job.cohort)
        if not lifecycle.requeue(job.pk):
            job.refresh_from_db()
            raise ConflictError(_resume_refusal(job))
        if by is not None and by.pk != job.owner_id:
            _note(by, "job_requeued", job)
        poke_on_commit(run_waiting_jobs, str(job.pk))
    job.refresh_from_db()
    return job


def _note(by: User, kind: str, job: TrainingJob) -> None:
    """In the log of the class."""
    note_act(by, kind, cohort=job.cohort, person=job.owner, job_id=str(job.pk))


def _resume_refusal(job: TrainingJob) -> str:
    if job.is_active:
        return _("The job is waiting or running, so there is nothing to resume.")
    if job.status == TrainingJob.Status.COMPLETED:
        return _(
            "The job is complete, so there is nothing to resume. Train again with more epochs."
        )
    return _(
        "The same settings would end in the same way. Use “Train again with changes” and change what the message names."
    )


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
        forget(subject=str(job.pk))
        transaction.on_commit(lambda: storage.delete_prefix(f"jobs/{job.pk}"), robust=True)
