"""Delete many jobs at once, those under way included."""

from __future__ import annotations

from django.db.models import QuerySet

from common.errors import ConflictError
from common.storage import delete_prefix
from training.models import TrainingJob
from training.services.ending import cancel_training_job, delete_training_job


def cancel_all(jobs: QuerySet[TrainingJob]) -> None:
    """End those that wait, and ask the workers of those that run."""
    active = [TrainingJob.Status.PENDING, TrainingJob.Status.RUNNING]
    for job in jobs.filter(status__in=active):
        try:
            cancel_training_job(job)
        except ConflictError:
            # It ended meanwhile.
            continue


def forget_jobs(jobs: QuerySet[TrainingJob]) -> bool:
    """Delete them with their files; False while a worker has not let go of one. Done again it finishes the rest."""
    cancel_all(jobs)
    active = [TrainingJob.Status.PENDING, TrainingJob.Status.RUNNING]
    for job in jobs.exclude(status__in=active):
        # Before the row: once it is gone nothing finds the files after an interruption.
        delete_prefix(f"jobs/{job.pk}")
        try:
            delete_training_job(job)
        except (TrainingJob.DoesNotExist, ConflictError):
            # Somebody else deleted it, or its owner had it run again.
            continue
    return not jobs.exists()
