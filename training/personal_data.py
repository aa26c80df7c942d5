"""What training keeps about a person: jobs with what they measured and left, sweeps, device time."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Q
from django.utils.text import slugify
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from common.personal_data import Item, PersonalData, Row, StillBusyError, rows, stored
from datasets_app.models import Dataset
from datasets_app.services.remainders import leave_remainder
from training.models import (
    Adapter,
    DeviceUsage,
    JobShare,
    MetricPoint,
    Sweep,
    TrainingEvent,
    TrainingJob,
)
from training.services.forgetting import cancel_all, forget_jobs

MAX_ADAPTER_BYTES = 500 * 1024 * 1024
"""Of all adapters in one archive; what is more can be downloaded at its job."""
WORKER_FIELDS = ("lease_token", "lease_count", "worker_name")


def _collect_jobs(user: User) -> Iterator[Item]:
    jobs = TrainingJob.objects.filter(owner=user)
    yield "training/jobs.json", rows(jobs, without=WORKER_FIELDS)
    yield "training/sweeps.json", rows(Sweep.objects.filter(owner=user))
    yield "training/shared_adapters.json", rows(JobShare.objects.filter(job__owner=user))
    for job in jobs.only("pk", "name").iterator():
        folder = _folder(job)
        yield f"{folder}/metrics.json", rows(MetricPoint.objects.filter(job=job))
        yield f"{folder}/events.json", rows(TrainingEvent.objects.filter(job=job))
    yield from _collect_adapters(user)


def _collect_adapters(user: User) -> Iterator[Item]:
    listed: list[Row] = []
    room = MAX_ADAPTER_BYTES
    adapters = Adapter.objects.filter(job__owner=user).select_related("job")
    for adapter in adapters.order_by("-created_at"):
        is_included = adapter.size_bytes <= room
        listed.append(_listed(adapter, is_included=is_included))
        if not is_included:
            continue
        room -= adapter.size_bytes
        for name in adapter.files:
            if file := stored(f"{adapter.prefix}/{name}"):
                yield f"{_folder(adapter.job)}/adapter/{name}", file
    yield "training/adapters.json", listed


def _listed(adapter: Adapter, *, is_included: bool) -> Row:
    note = (
        "" if is_included else gettext("Not in this archive: download it on the page of its job.")
    )
    return {
        "job_id": adapter.job_id,
        "job": adapter.job.name,
        "sha256": adapter.digest,
        "size_bytes": adapter.size_bytes,
        "files": adapter.files,
        "is_included": is_included,
        "note": note,
    }


def _folder(job: TrainingJob) -> str:
    name = slugify(job.name, allow_unicode=True)[:60] or "job"
    return f"training/{name}-{str(job.pk)[:8]}"


def _cancel_jobs(user: User) -> None:
    cancel_all(TrainingJob.objects.filter(owner=user))


def _erase_jobs(user: User) -> None:
    """
    Raises:
        StillBusyError: a worker has not let go of a job yet.
    """
    if not forget_jobs(TrainingJob.objects.filter(owner=user)):
        raise StillBusyError
    Sweep.objects.filter(owner=user).delete()
    _leave_remainders(user)


def _leave_remainders(user: User) -> None:
    """Jobs of others keep what they measured, though not the examples that it was measured on."""
    used = Q(versions__training_jobs__isnull=False) | Q(versions__evaluating_jobs__isnull=False)
    for dataset in Dataset.objects.filter(used, owner=user).distinct():
        job = TrainingJob.objects.filter(
            Q(dataset_version__dataset=dataset) | Q(eval_dataset_version__dataset=dataset)
        ).select_related("owner")[0]
        leave_remainder(dataset, job.owner)


def _collect_usage(user: User) -> Iterator[Item]:
    yield "training/device_time.json", rows(DeviceUsage.objects.filter(user=user))


def _erase_usage(user: User) -> None:
    DeviceUsage.objects.filter(user=user).delete()


PARTS = (
    PersonalData(
        app="training",
        name="usage",
        describe=_("How long devices worked for you, by day."),
        models=(DeviceUsage,),
        collect=_collect_usage,
        erase=_erase_usage,
    ),
    PersonalData(
        app="training",
        name="jobs",
        describe=_(
            "Your training jobs with settings, notes, curves, events and adapters, your sweeps, "
            "and with whom you share adapters."
        ),
        models=(TrainingJob, Adapter, MetricPoint, TrainingEvent, JobShare, Sweep),
        collect=_collect_jobs,
        erase=_erase_jobs,
        stop=_cancel_jobs,
    ),
)
