"""What an instructor does to the queue: hold a waiting job, release it, move it, pause a class."""

from __future__ import annotations

from enum import StrEnum
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Max, Min
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.auditing import note_act
from accounts.models import Cohort, ComputePolicy, User
from common.errors import ConflictError, NotFoundError
from common.poke import poke_on_commit
from training.lifecycle.stream import append_events
from training.models import TrainingJob
from training.tasks import run_waiting_jobs
from training.worker_board import Reader

MAX_PRIORITY = 32_767


class Place(StrEnum):
    """Where a waiting job is moved to."""

    FRONT = "front"
    BACK = "back"
    FAIR = "fair"


def get_led_job(user: User, job_id: UUID | str) -> TrainingJob:
    """A job whose place in the queue the user may change.

    Raises:
        NotFoundError: no such job, or it is not in a class that the user leads.
    """
    reader = Reader.of(user)
    try:
        job = TrainingJob.objects.select_related("base_model", "dataset_version").get(pk=job_id)
    except (TrainingJob.DoesNotExist, ValidationError, ValueError):
        job = None
    if job is None or not (user.is_staff or job.cohort_id in reader.led_cohort_ids):
        raise NotFoundError(_("There is no training job with this id in a class that you lead."))
    return job


def get_led_cohort(user: User, cohort_id: UUID | str) -> Cohort:
    """A class whose queue the user may pause.

    Raises:
        NotFoundError: no such class, or the user does not lead it.
    """
    cohorts = Cohort.objects.all() if user.is_staff else Cohort.objects.led_by(user)
    cohort = cohorts.filter(pk=cohort_id).first()
    if cohort is None:
        raise NotFoundError(_("There is no class with this id that you lead."))
    return cohort


@transaction.atomic
def hold_job(job: TrainingJob, *, by: User) -> None:
    """Keep a waiting job from starting; once more changes nothing.

    Raises:
        ConflictError: the job does not wait any more.
    """
    if _change(job, {"held_at": timezone.now()}, held_at=None):
        _note(by, "job_held", job)


@transaction.atomic
def release_job(job: TrainingJob, *, by: User) -> None:
    """Let a held job start again; it has kept its place.

    Raises:
        ConflictError: the job does not wait any more.
    """
    if _change(job, {"held_at": None}, held_at__isnull=False):
        _note(by, "job_released", job)


@transaction.atomic
def move_job(job: TrainingJob, place: Place, *, by: User) -> None:
    """Put a waiting job before all others, behind all others, or back where the policy has it.

    Raises:
        ConflictError: the job does not wait any more.
    """
    others = TrainingJob.objects.filter(status=TrainingJob.Status.PENDING).exclude(pk=job.pk)
    ends = others.aggregate(first=Max("priority", default=0), last=Min("priority", default=0))
    priority = {
        Place.FRONT: min(MAX_PRIORITY, max(0, ends["first"]) + 1),
        Place.BACK: max(-MAX_PRIORITY, min(0, ends["last"]) - 1),
        Place.FAIR: 0,
    }[place]
    if _change(job, {"priority": priority}):
        _note(by, "job_moved", job, place=place.value)


@transaction.atomic
def pause_cohort(cohort: Cohort, *, by: User) -> None:
    """Let nothing of this class start; what runs goes on."""
    paused = {"is_paused": True}
    # A policy that is made only to pause shall not change what the students may do afterwards.
    limits = {"max_running_jobs": settings.MAX_RUNNING_JOBS_PER_PERSON}
    ComputePolicy.objects.update_or_create(
        cohort=cohort, defaults=paused, create_defaults=paused | limits
    )
    note_act(by, "queue_paused", cohort=cohort)


@transaction.atomic
def resume_cohort(cohort: Cohort, *, by: User) -> None:
    """Let the jobs of this class start again."""
    ComputePolicy.objects.filter(cohort=cohort).update(is_paused=False)
    note_act(by, "queue_resumed", cohort=cohort)
    poke_on_commit(run_waiting_jobs, str(cohort.pk))


def _change(job: TrainingJob, fields: dict[str, Any], **where: Any) -> bool:
    """Change a job that still waits, show it on its page, and let a worker look at the queue again.

    Returns:
        False when the job was so already.
    """
    waiting = TrainingJob.objects.filter(pk=job.pk, status=TrainingJob.Status.PENDING)
    is_changed = bool(waiting.filter(**where).update(**fields))
    if is_changed:
        append_events(job.pk, [("queue", {})])
        poke_on_commit(run_waiting_jobs, str(job.pk))
    elif not waiting.exists():
        raise ConflictError(_("The job does not wait any more, so its place can not be changed."))
    job.refresh_from_db()
    return is_changed


def _note(by: User, kind: str, job: TrainingJob, **details: Any) -> None:
    """In the log of the class; what people do with their own jobs is not noted."""
    if by.pk != job.owner_id:
        note_act(by, kind, cohort=job.cohort, person=job.owner, job_id=str(job.pk), **details)
