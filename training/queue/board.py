"""The queue as one person may see it: their own jobs, those that they lead, and of others only that they are there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.paginator import Page, Paginator
from django.db.models import Count, Q
from django.urls import reverse
from django.utils import timezone

from accounts.models import Cohort
from training.models import TrainingJob
from training.queue.standing import Standing, queue_standings
from training.queue.wording import reason_label, reason_sentence, start_words
from training.worker_board import Reader

Status = TrainingJob.Status

ROWS_PER_PAGE = 50


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One waiting job for one reader; a job that the reader may not know has no name."""

    standing: Standing
    job: TrainingJob | None = None
    address: str = ""
    is_own: bool = False
    is_led: bool = False

    @property
    def reason(self) -> str:
        """For the owner."""
        return reason_sentence(self.standing)

    @property
    def label(self) -> str:
        return reason_label(self.standing)

    @property
    def start(self) -> str:
        return start_words(self.standing)


@dataclass(frozen=True, slots=True)
class QueueClass:
    """A class that the reader may pause, with its jobs in the queue."""

    cohort: Cohort
    waiting_count: int
    running_count: int
    window_ends_at: datetime | None

    @property
    def is_paused(self) -> bool:
        policy = getattr(self.cohort, "compute_policy", None)
        return policy is not None and policy.is_paused


@dataclass(frozen=True, slots=True)
class Board:
    """What the page shows.

    Attributes:
        place_count: waiting jobs that have a place: neither held nor of a paused class.
    """

    own: list[QueueRow]
    page: Page[QueueRow]
    waiting_count: int
    place_count: int
    running_count: int
    classes: list[QueueClass]


def queue_board(reader: Reader, page: str | int = 1) -> Board:
    """The whole queue, one page of it, and first what is the reader's own."""
    standings = queue_standings()
    paginator: Paginator[Any] = Paginator(list(standings), ROWS_PER_PAGE)
    shown = paginator.get_page(page)
    jobs = _jobs(Q(pk__in=shown.object_list) | Q(owner=reader.user))
    rows = [queue_row(reader, jobs.get(job_id), standings[job_id]) for job_id in shown.object_list]
    own = [job_id for job_id in standings if _is_own(reader, jobs.get(job_id))]
    shown.object_list = rows
    return Board(
        own=[queue_row(reader, jobs[job_id], standings[job_id]) for job_id in own],
        page=shown,
        waiting_count=len(standings),
        place_count=sum(standing.position is not None for standing in standings.values()),
        running_count=TrainingJob.objects.filter(status=Status.RUNNING).count(),
        classes=_classes(reader),
    )


def known_rows(reader: Reader) -> list[QueueRow]:
    """The waiting jobs that the reader may know: their own and those that they lead, in the order of the queue."""
    standings = queue_standings()
    known = Q(owner=reader.user) | Q(cohort__in=reader.led_cohort_ids)
    jobs = _jobs(Q() if reader.user.is_staff else known)
    return [
        queue_row(reader, jobs[job_id], standing)
        for job_id, standing in standings.items()
        if job_id in jobs
    ]


def queue_row(reader: Reader, job: TrainingJob | None, standing: Standing) -> QueueRow:
    if job is None or not reader.may_name(job):
        return QueueRow(standing)
    is_own = job.owner_id == reader.user.pk
    return QueueRow(
        standing, job, _address(reader, job), is_own=is_own, is_led=may_manage(reader, job)
    )


def may_manage(reader: Reader, job: TrainingJob) -> bool:
    """Whether the reader may hold, move and cancel the job."""
    return reader.user.is_staff or job.cohort_id in reader.led_cohort_ids


def _address(reader: Reader, job: TrainingJob) -> str:
    if job.owner_id == reader.user.pk:
        return reverse("training:job_detail", args=[job.pk])
    if reader.user.is_staff:
        return reverse("admin:training_trainingjob_change", args=[job.pk])
    return ""


def _is_own(reader: Reader, job: TrainingJob | None) -> bool:
    return job is not None and job.owner_id == reader.user.pk


def _jobs(which: Q) -> dict[UUID, TrainingJob]:
    waiting = TrainingJob.objects.filter(which, status=Status.PENDING)
    fields = (
        "name",
        "status",
        "owner_id",
        "cohort_id",
        "priority",
        "held_at",
        "queued_at",
        "created_at",
    )
    people = ("owner__username", "owner__display_name", "cohort__name")
    return {
        job.pk: job
        for job in waiting.select_related("owner", "cohort").only(*fields, *people).order_by()
    }


def _classes(reader: Reader) -> list[QueueClass]:
    """The classes that the reader leads; for staff, of all classes those that have to do with the queue now."""
    active = Q(training_jobs__status__in=[Status.PENDING, Status.RUNNING])
    paused = Q(compute_policy__is_paused=True)
    which = active | paused if reader.user.is_staff else Q(pk__in=reader.led_cohort_ids)
    if reader.user.is_staff:
        which |= Q(pk__in=reader.led_cohort_ids)
    cohorts = (
        Cohort.objects.filter(which)
        .select_related("compute_policy")
        .prefetch_related("class_windows")
        .annotate(
            waiting=Count("training_jobs", Q(training_jobs__status=Status.PENDING), distinct=True),
            running=Count("training_jobs", Q(training_jobs__status=Status.RUNNING), distinct=True),
        )
        .distinct()
        .order_by("name")
    )
    return [_class(cohort) for cohort in cohorts]


def _class(cohort: Any) -> QueueClass:
    now = timezone.now()
    ends = [
        window.ends_at
        for window in cohort.class_windows.all()
        if window.starts_at <= now < window.ends_at
    ]
    return QueueClass(cohort, cohort.waiting, cohort.running, max(ends, default=None))
