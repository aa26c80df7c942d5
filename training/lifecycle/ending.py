"""A job ends, once, with its result or its reason."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.notifications import notify
from common.happenings import happened
from engine.crash_points import hit
from training.lifecycle.lease import Lease, LeaseLostError, held
from training.lifecycle.stream import append_events
from training.models import Adapter, TrainingJob

Status = TrainingJob.Status
Stage = TrainingJob.Stage


@transaction.atomic
def complete(
    lease: Lease,
    *,
    adapter: Adapter,
    fields: dict[str, Any],
    ending: dict[str, Any] | None = None,
) -> None:
    """The adapter is in storage: make it the job's result.

    Args:
        ending: how the training ended, for the job's log.
    """
    _finish(lease, Status.COMPLETED, fields, ending or {})
    adapter.save(force_insert=True)
    hit("P10")


@transaction.atomic
def fail(
    lease: Lease,
    code: str,
    params: dict[str, Any] | None = None,
    fields: dict[str, Any] | None = None,
) -> None:
    """The job ends without a result, for the reason that code and params name."""
    failure = {"error_code": code, "error_params": params or {}}
    _finish(lease, Status.FAILED, failure | (fields or {}), failure)


@transaction.atomic
def finish_cancelled(lease: Lease) -> None:
    """The job ends because its owner, or an instructor, asked for it."""
    _finish(lease, Status.CANCELLED, {}, {})


def _finish(
    lease: Lease, status: TrainingJob.Status, fields: dict[str, Any], ending: dict[str, Any]
) -> None:
    changed = held(lease).update(
        status=status, stage=Stage.DONE, lease_token=None, completed_at=timezone.now(), **fields
    )
    if not changed:
        raise LeaseLostError
    append_events(lease.job_id, [("finished", {"status": status.value} | ending)])
    if status != Status.CANCELLED:
        tell_owner(lease.job_id)


def job_path(job_id: uuid.UUID) -> str:
    """The job's page. Written out, because resolving addresses would load every page into the worker."""
    return f"/training/{job_id}/"


def tell_owner(job_id: uuid.UUID) -> None:
    """Notify the owner of a job's end; inside the caller's transaction. Who cancelled it knows already."""
    job = TrainingJob.objects.only("owner", "name", "status", "error_code", "error_params").get(
        pk=job_id
    )
    happened("job_ended", job.owner_id, job.pk)
    notify(
        job.owner_id,
        kind=f"job_{job.status}",
        subject=str(job.pk),
        params={
            "job_name": job.name,
            "error_code": job.error_code,
            "error_params": job.error_params,
        },
        path=job_path(job.pk),
    )
