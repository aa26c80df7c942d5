"""What a waiting job's page says of the queue."""

from __future__ import annotations

from typing import Any

from training.models import TrainingJob


def queue_context(job: TrainingJob) -> dict[str, Any]:
    return {}
