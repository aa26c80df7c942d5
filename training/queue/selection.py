"""The waiting jobs that a worker may take, the next one first."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from modelhub.models import Worker
from training.models import TrainingJob


def next_job_id(worker_name: str) -> UUID | None:
    """The job that this worker should take now, or None when none waits that it could train."""
    waiting = TrainingJob.objects.filter(
        Q(not_before=None) | Q(not_before__lte=timezone.now()),
        status=TrainingJob.Status.PENDING,
        held_at=None,
    )
    if not Worker.objects.filter(name=worker_name, device=Worker.CUDA).exists():
        # A comparison with a key that is not there is neither true nor false, hence the first part.
        waiting = waiting.filter(
            Q(lora_config__variant__isnull=True) | ~Q(lora_config__variant="qlora")
        )
    return waiting.order_by("created_at").values_list("pk", flat=True).first()
