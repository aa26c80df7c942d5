"""Device time, counted for the job and for its owner's share of the queue."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from training.models import DeviceUsage, TrainingJob


def count_device_seconds(job_id: uuid.UUID, seconds: float) -> None:
    """Add to the job and to its owner's day; inside the caller's transaction."""
    TrainingJob.objects.filter(pk=job_id).update(device_seconds=F("device_seconds") + seconds)
    job = TrainingJob.objects.only("owner", "cohort").get(pk=job_id)
    key = {"user_id": job.owner_id, "cohort_id": job.cohort_id, "day": timezone.now().date()}
    if _add(key, seconds):
        return
    try:
        with transaction.atomic():
            DeviceUsage.objects.create(**key, seconds=seconds)
    except IntegrityError:
        # Another job of the same person opened the day in between.
        _add(key, seconds)


def _add(key: Mapping[str, object], seconds: float) -> bool:
    return bool(DeviceUsage.objects.filter(**key).update(seconds=F("seconds") + seconds))
