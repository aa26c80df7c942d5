"""The queue's rows as the plain values that the policy looks at; a fixed number of queries, however long it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Max, Q, Sum
from django.utils import timezone

from accounts.models import ClassWindow, Cohort, ComputePolicy
from modelhub.selectors import workers
from training.models import DeviceUsage, TrainingJob
from training.queue.forecast import Device
from training.queue.policy import CohortId, Limits, Line, PersonId, RunningJob, WaitingJob

Status = TrainingJob.Status

MIN_MEASURED_STEPS = 4
"""The first steps are slower than the rest."""
LEAST_SHARE = 0.1
"""Of the estimate: a job that begins once more still has to load the model and to go on from a checkpoint."""

POLICY_FIELDS = {
    name: f"cohort__compute_policy__{name}"
    for name in ("weight", "max_running_jobs", "max_device_seconds", "is_paused")
}


def default_limits() -> Limits:
    return Limits(max_running_jobs=settings.MAX_RUNNING_JOBS_PER_PERSON)


def limits_of(cohort: Cohort | None) -> Limits:
    """What a class allows each of its students."""
    policy: ComputePolicy | None = getattr(cohort, "compute_policy", None)
    if policy is None:
        return default_limits()
    return Limits(
        policy.weight, policy.max_running_jobs, policy.max_device_seconds, policy.is_paused
    )


def next_midnight(now: datetime) -> datetime:
    """When the day of the device time ends; days are those of UTC, as in the rows."""
    day = now.astimezone(UTC).date() + timedelta(days=1)
    return datetime.combine(day, time(), UTC)


def read_line(*, has_gpu: bool, now: datetime | None = None) -> Line:
    """The queue at this moment.

    Args:
        has_gpu: whether a job may be given that needs an NVIDIA GPU.
    """
    now = now or timezone.now()
    rows = _waiting_rows()
    if not rows:
        return Line(now.timestamp(), has_gpu=has_gpu)
    owners = {row["owner_id"] for row in rows}
    used, used_today = _usage(owners, now)
    return Line(
        now=now.timestamp(),
        waiting=[_waiting_job(row) for row in rows],
        running=_running_jobs(),
        used_seconds=used,
        used_today=used_today,
        last_start=_last_starts(owners, now),
        limits=_limits(rows),
        default_limits=default_limits(),
        open_windows=_open_windows(now),
        ageing_seconds=settings.QUEUE_AGEING_SECONDS,
        day_ends_at=next_midnight(now).timestamp(),
        has_gpu=has_gpu,
    )


def read_devices() -> list[Device]:
    """The devices that take jobs now."""
    return [
        Device(worker.name, has_gpu=worker.has_cuda)
        for worker in workers()
        if worker.is_at_work and not worker.is_paused
    ]


def estimated_seconds(estimate: Mapping[str, Any]) -> float | None:
    """A job's expected time on the device, where it could be told."""
    seconds = estimate.get("duration_seconds")
    return float(seconds) if isinstance(seconds, int | float) and seconds > 0 else None


def _waiting_rows() -> list[dict[str, Any]]:
    fields = (
        *("pk", "owner_id", "cohort_id", "queued_at", "created_at", "priority", "held_at"),
        *("not_before", "estimate", "device_seconds", "lost_attempts", "lora_config__variant"),
    )
    waiting = TrainingJob.objects.filter(status=Status.PENDING).order_by()
    return list(waiting.values(*fields, *POLICY_FIELDS.values()))


def _waiting_job(row: Mapping[str, Any]) -> WaitingJob:
    estimate = estimated_seconds(row["estimate"])
    if estimate is not None:
        estimate = max(LEAST_SHARE * estimate, estimate - row["device_seconds"])
    return WaitingJob(
        id=row["pk"],
        owner=row["owner_id"],
        cohort=row["cohort_id"],
        queued_at=(row["queued_at"] or row["created_at"]).timestamp(),
        priority=row["priority"],
        is_held=row["held_at"] is not None,
        not_before=row["not_before"].timestamp() if row["not_before"] else 0.0,
        estimated_seconds=estimate,
        needs_gpu=row["lora_config__variant"] == "qlora",
        was_lost=row["lost_attempts"] > 0,
    )


def _running_jobs() -> list[RunningJob]:
    rows = (
        TrainingJob.objects.filter(status=Status.RUNNING)
        .order_by()
        .values(
            *("pk", "owner_id", "cohort_id", "worker_name", "estimate", "device_seconds"),
            *("current_step", "total_steps"),
        )
    )
    return [
        RunningJob(
            id=row["pk"],
            owner=row["owner_id"],
            cohort=row["cohort_id"],
            worker=row["worker_name"],
            remaining_seconds=_remaining_seconds(row),
        )
        for row in rows
    ]


def _remaining_seconds(row: Mapping[str, Any]) -> float | None:
    """Device time that a running job still needs: by its own pace, else by its estimate.

    Unlike what its page shows, this needs no query for each job, and leaves out the time for which others have the
    device.
    """
    used, step, total = row["device_seconds"], row["current_step"], row["total_steps"]
    if used and total and step >= MIN_MEASURED_STEPS:
        return float(used * max(0, total - step) / step)
    estimate = estimated_seconds(row["estimate"])
    # What has taken longer than estimated may take any time.
    return estimate - used if estimate is not None and estimate > used else None


def _usage(
    owners: set[Any], now: datetime
) -> tuple[dict[Any, float], dict[tuple[PersonId, CohortId | None], float]]:
    today = now.astimezone(UTC).date()
    first_day = today - timedelta(days=settings.USAGE_DAYS - 1)
    rows = (
        DeviceUsage.objects.filter(user_id__in=owners, day__gte=first_day)
        .order_by()
        .values("user_id", "cohort_id")
        .annotate(used=Sum("seconds"), used_today=Sum("seconds", filter=Q(day=today), default=0.0))
        .values_list("user_id", "cohort_id", "used", "used_today")
    )
    used: dict[Any, float] = defaultdict(float)
    used_today: dict[tuple[PersonId, CohortId | None], float] = {}
    for owner, cohort, seconds, seconds_today in rows:
        used[owner] += seconds
        used_today[owner, cohort] = seconds_today
    return used, used_today


def _last_starts(owners: set[Any], now: datetime) -> dict[Any, float]:
    oldest = now - timedelta(seconds=settings.QUEUE_AGEING_SECONDS)
    rows = (
        TrainingJob.objects.filter(owner_id__in=owners, started_at__gte=oldest)
        .order_by()
        .values("owner_id")
        .annotate(last=Max("started_at"))
        .values_list("owner_id", "last")
    )
    return {owner: started_at.timestamp() for owner, started_at in rows}


def _limits(rows: list[dict[str, Any]]) -> dict[Any, Limits]:
    """Limits of the classes that have a policy."""
    return {
        row["cohort_id"]: Limits(
            row[POLICY_FIELDS["weight"]],
            row[POLICY_FIELDS["max_running_jobs"]],
            row[POLICY_FIELDS["max_device_seconds"]],
            row[POLICY_FIELDS["is_paused"]],
        )
        for row in rows
        if row[POLICY_FIELDS["weight"]] is not None
    }


def _open_windows(now: datetime) -> dict[Any, float]:
    rows = ClassWindow.objects.filter(starts_at__lte=now, ends_at__gt=now)
    ends: dict[Any, float] = {}
    for cohort_id, ends_at in rows.order_by("ends_at").values_list("cohort_id", "ends_at"):
        ends[cohort_id] = ends_at.timestamp()
    return ends
