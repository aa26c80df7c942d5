"""The devices as a class sees them: what they work on, who of it waits, what each student used today."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.conf import settings
from django.db.models import Sum
from django.utils import timezone

from accounts.models import ClassWindow, Cohort, ComputePolicy, Membership, User
from courses.selectors.runs import OwnerNames
from training.models import DeviceUsage, TrainingJob
from training.queue.reading import next_midnight
from training.queue.standing import Standing, queue_standings
from training.queue.wording import reason_label, start_words
from training.selectors import RELATED
from training.worker_board import BoardEntry, Reader, worker_board

Status = TrainingJob.Status

PAST_WINDOWS = 3
"""Of class times that are over, the last ones stay in the list."""


@dataclass(frozen=True, slots=True)
class NamedJob:
    job: TrainingJob
    student: str


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """A worker, with the jobs of the class that it trains.

    Attributes:
        other_count: jobs of other classes and people, of which nothing is told.
    """

    entry: BoardEntry
    jobs: tuple[NamedJob, ...]
    other_count: int


@dataclass(frozen=True, slots=True)
class WaitingRow:
    """A job of the class in the queue."""

    job: TrainingJob
    student: str
    standing: Standing

    @property
    def label(self) -> str:
        return reason_label(self.standing)

    @property
    def start(self) -> str:
        return start_words(self.standing)


@dataclass(frozen=True, slots=True)
class UsageRow:
    """What one student used today.

    Attributes:
        share: of what the class allows, 0 to 1; None where it allows any time.
    """

    student: str
    seconds: float
    share: float | None

    @property
    def is_used_up(self) -> bool:
        return self.share is not None and self.share >= 1


@dataclass(frozen=True, slots=True)
class WindowRow:
    window: ClassWindow
    is_open: bool
    is_over: bool


@dataclass(frozen=True, slots=True)
class ComputeBoard:
    """
    Attributes:
        queue_length: waiting jobs of everybody, so that a place can be read as one of so many.
        day_ends_at: when the device time of today begins anew.
    """

    devices: list[DeviceRow]
    waiting: list[WaitingRow]
    queue_length: int
    running_count: int
    usage: list[UsageRow]
    day_ends_at: datetime
    most_seconds: int | None


def policy_of(cohort: Cohort) -> ComputePolicy:
    """What the class allows; not saved where nobody has set it."""
    found = ComputePolicy.objects.filter(cohort=cohort).first()
    return found or ComputePolicy(
        cohort=cohort, max_running_jobs=settings.MAX_RUNNING_JOBS_PER_PERSON
    )


def compute_board(
    reader: User, cohort: Cohort, policy: ComputePolicy, names: OwnerNames
) -> ComputeBoard:
    """With as many queries for many students as for few."""
    active = list(
        TrainingJob.objects.filter(cohort=cohort)
        .active()
        .select_related("owner", *RELATED)
        .order_by("started_at", "pk")
    )
    standings = queue_standings()
    running = [job for job in active if job.status == Status.RUNNING]
    return ComputeBoard(
        devices=_devices(worker_board(Reader.of(reader)), running, names),
        waiting=_waiting(active, standings, names),
        queue_length=len(standings),
        running_count=len(running),
        usage=_usage(cohort, policy, names),
        day_ends_at=next_midnight(timezone.now()),
        most_seconds=policy.max_device_seconds,
    )


def windows_of(cohort: Cohort) -> list[WindowRow]:
    """Class times that are open or to come, and before them the last ones that are over."""
    now = timezone.now()
    windows = ClassWindow.objects.filter(cohort=cohort)
    past = list(windows.filter(ends_at__lte=now).order_by("-ends_at")[:PAST_WINDOWS])
    coming = list(windows.filter(ends_at__gt=now).order_by("starts_at"))
    return [
        WindowRow(window, window.starts_at <= now < window.ends_at, window.ends_at <= now)
        for window in [*reversed(past), *coming]
    ]


def _devices(
    entries: Sequence[BoardEntry], running: Sequence[TrainingJob], names: OwnerNames
) -> list[DeviceRow]:
    held: dict[str, list[NamedJob]] = defaultdict(list)
    for job in running:
        held[job.worker_name].append(NamedJob(names.shown(job), names.of_job(job)))
    return [
        DeviceRow(
            entry,
            tuple(held[entry.worker.name]),
            max(0, len(entry.jobs) - len(held[entry.worker.name])),
        )
        for entry in entries
    ]


def _waiting(active: Sequence[TrainingJob], standings: dict, names: OwnerNames) -> list[WaitingRow]:
    waiting = {job.pk: job for job in active if job.status == Status.PENDING}
    return [
        WaitingRow(names.shown(waiting[job_id]), names.of_job(waiting[job_id]), standing)
        for job_id, standing in standings.items()
        if job_id in waiting
    ]


def _usage(cohort: Cohort, policy: ComputePolicy, names: OwnerNames) -> list[UsageRow]:
    """Those who used the most first; then those who used nothing, by name."""
    today = DeviceUsage.objects.filter(cohort=cohort, day=timezone.now().astimezone(UTC).date())
    used = dict(today.order_by().values_list("user_id").annotate(used=Sum("seconds")))
    students = Membership.objects.filter(cohort=cohort, role=Membership.Role.STUDENT)
    limit = policy.max_device_seconds
    rows = [
        UsageRow(
            names.by_user.get(user_id, ""),
            used.get(user_id, 0.0),
            min(1.0, used.get(user_id, 0.0) / limit) if limit else None,
        )
        for user_id in students.values_list("user_id", flat=True)
    ]
    return sorted(rows, key=lambda row: (-row.seconds, row.student.casefold()))
