"""What a job's page says of its result."""

from __future__ import annotations

from typing import Any

from training.models import TrainingJob


def diagnosis_context(job: TrainingJob) -> dict[str, Any]:
    return {}
