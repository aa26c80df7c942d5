"""Queue jobs."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.idempotency import once
from accounts.models import User
from common import storage
from common.errors import (
    ConflictError,
)
from common.poke import poke_on_commit
from engine.crash_points import hit
from training.models import TrainingJob
from training.preflight.estimate import estimate_of
from training.services.ordering import JobOrder, new_job
from training.services.quotas import check_queue
from training.tasks import run_waiting_jobs


def create_training_job(owner: User, order: JobOrder, *, idempotency_key: str = "") -> TrainingJob:
    """Queue a job; the same idempotency key gives the same job.

    Raises:
        InvalidInputError: with every fault, by field.
        TooManyRequestsError: the person has too many jobs waiting, or used up today's device time.
        DiskFullError: the disk is nearly full.
    """

    def make() -> TrainingJob:
        job = new_job(owner, order)
        check_queue(owner, job.cohort)
        queue_job(job)
        return job

    storage.check_free_space()
    return once(
        owner,
        scope="training.job",
        key=idempotency_key,
        create=make,
        find=lambda job_id: _job_of_earlier_request(owner, job_id),
    )


def queue_job(job: TrainingJob) -> None:
    """Save a new job as a waiting one and wake a worker after commit."""
    job.estimate = estimate_of(job)
    job.queued_at = timezone.now()
    job.save(force_insert=True)
    transaction.on_commit(lambda: hit("P1"))
    poke_on_commit(run_waiting_jobs, str(job.pk))
    transaction.on_commit(lambda: hit("P2"))


def _job_of_earlier_request(owner: User, job_id: str) -> TrainingJob:
    job = TrainingJob.objects.filter(pk=job_id, owner=owner).first()
    if job is None:
        raise ConflictError(
            _("The job of this request was started before and has been deleted. Start a new one.")
        )
    return job
