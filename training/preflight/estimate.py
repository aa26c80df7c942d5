"""Steps, time and memory of a job before it starts."""

from __future__ import annotations

from typing import Any

from training.models import TrainingJob


def estimate_of(job: TrainingJob) -> dict[str, Any]:
    """What is stored with an unsaved job as its estimate; empty when nothing can be told."""
    return {}
