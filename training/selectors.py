"""Reads of jobs, shared by pages, API and tasks; scoped to a user."""

from __future__ import annotations

import io
import zipfile
from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.exceptions import ValidationError
from django.core.files.storage import default_storage
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from common.errors import ConflictError, NotFoundError
from training.models import MetricPoint, TrainingEvent, TrainingJob
from training.sentences import event_sentence

UNTOLD_EVENTS = ("metrics", "sample")
"""Events that the curves and the samples show, not the log."""

Person = AbstractBaseUser | AnonymousUser


RELATED = ("base_model", "dataset_version__dataset", "eval_dataset_version__dataset", "adapter")
"""What the page of a job and a comparison read with it."""


def jobs_visible_to(user: Person) -> QuerySet[TrainingJob]:
    return TrainingJob.objects.visible_to(user).select_related(*RELATED)


def get_job(user: Person, job_id: UUID | str) -> TrainingJob:
    """The job, when the user may see it.

    Raises:
        NotFoundError: no such job, or it is somebody else's.
    """
    try:
        job = jobs_visible_to(user).filter(pk=job_id).first()
    except (ValidationError, ValueError):
        job = None
    if job is None:
        raise NotFoundError(_("There is no training job with this id, or it is not yours."))
    return job


def completed_jobs(user: Person) -> QuerySet[TrainingJob]:
    """Jobs whose adapter can be talked to, newest first."""
    return jobs_visible_to(user).filter(status=TrainingJob.Status.COMPLETED, adapter__isnull=False)


def metric_points(job: TrainingJob, *, after_step: int = -1) -> list[MetricPoint]:
    return list(job.metric_points.filter(step__gt=after_step).order_by("step"))


def events_after(job: TrainingJob, seq: int) -> list[TrainingEvent]:
    return list(job.events.filter(seq__gt=seq).order_by("seq"))


def job_log(job: TrainingJob) -> list[tuple[datetime, str]]:
    """The job's story as dated sentences, oldest first; what a resumed job measures again stands there once."""
    lines: list[tuple[datetime, str]] = []
    measured: set[int] = set()
    events = list(job.events.exclude(type__in=UNTOLD_EVENTS).order_by("seq"))
    # One checkpoint replaces the other, a minute later: only the last one is news.
    last_checkpoint = max((event.seq for event in events if _is_checkpoint(event)), default=0)
    for event in events:
        if _is_checkpoint(event) and event.seq != last_checkpoint:
            continue
        if event.type == "evaluation":
            if event.payload["step"] in measured:
                continue
            measured.add(event.payload["step"])
        if sentence := event_sentence(event):
            lines.append((event.created_at, sentence))
    return lines


def _is_checkpoint(event: TrainingEvent) -> bool:
    return event.type == "checkpoint" and not event.payload.get("failed")


def adapter_archive(job: TrainingJob) -> io.BytesIO:
    """The adapter's folder as a zip file that vanilla PEFT loads once unpacked.

    Raises:
        ConflictError: the job left no adapter.
    """
    adapter = getattr(job, "adapter", None)
    if adapter is None:
        raise ConflictError(
            _("This job has no adapter yet. It can be downloaded once the job is completed.")
        )
    buffer = io.BytesIO()
    # Weights do not compress; storing them is quicker and no larger.
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(adapter.files):
            with default_storage.open(f"{adapter.prefix}/{name}", "rb") as source:
                archive.writestr(name, source.read())
    buffer.seek(0)
    return buffer
