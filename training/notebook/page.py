"""A person's own words on a job: guess, explanation, notes, tags, star, archive."""

from __future__ import annotations

from typing import Any

from training.models import TrainingJob


def notebook_context(job: TrainingJob) -> dict[str, Any]:
    return {}
