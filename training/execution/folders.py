"""The worker's own folders: what an attempt reads and writes, and the checkpoints of a job."""

from __future__ import annotations

import re
import shutil
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from training.models import TrainingJob

Status = TrainingJob.Status

# `<job>-<attempt>` holds what one attempt reads and writes, `<job>-checkpoints` what the next one goes on from.
WORK_FOLDER = re.compile(
    r"(?P<job_id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})-(?P<use>\d+|checkpoints)"
)


def attempt_folder(job_id: UUID, attempt: int) -> Path:
    return settings.LLMLORA_HOME.work / f"{job_id}-{attempt}"


def checkpoint_folder(job_id: UUID) -> Path:
    return settings.LLMLORA_HOME.work / f"{job_id}-checkpoints"


def sweep_work_folders() -> None:
    """Remove what workers that died left of jobs that need it no more, and checkpoints that nobody came back for."""
    # Listed before the rows are read: a folder that appears in between belongs to a job that runs.
    found = [
        (folder, UUID(match["job_id"]), match["use"])
        for folder in settings.LLMLORA_HOME.work.glob("*-*")
        if (match := WORK_FOLDER.fullmatch(folder.name))
    ]
    jobs = TrainingJob.objects.only("status", "attempt", "completed_at").in_bulk(
        {job_id for _folder, job_id, _use in found}
    )
    for folder, job_id, use in found:
        if not _is_needed(jobs.get(job_id), use):
            shutil.rmtree(folder, ignore_errors=True)


def _is_needed(job: TrainingJob | None, use: str) -> bool:
    if job is None:
        return False
    if use == "checkpoints":
        return keeps_checkpoints(job)
    return job.status == Status.RUNNING and use == str(job.attempt)


def keeps_checkpoints(job: TrainingJob) -> bool:
    """Whether the job goes on from its checkpoints, or its owner may still resume it."""
    if job.is_active:
        return True
    if job.status == Status.COMPLETED or job.completed_at is None:
        return False
    return timezone.now() - job.completed_at < timedelta(hours=settings.CHECKPOINT_HOURS)
