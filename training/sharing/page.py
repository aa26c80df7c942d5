"""What the part of a job's page shows with which its owner shares the adapter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from training.models import TrainingJob
from training.sharing.selectors import shares_of


@dataclass(frozen=True, slots=True)
class ClassChoice:
    """One class of the owner, and what it may do with the adapter."""

    cohort_id: UUID
    cohort_name: str
    is_talkable: bool
    is_in_arena: bool


def sharing_context(job: TrainingJob) -> dict[str, Any]:
    """The classes of the owner; none where the job has no adapter and will get none."""
    has_adapter = job.status == TrainingJob.Status.COMPLETED and hasattr(job, "adapter")
    return {
        "class_choices": class_choices(job) if has_adapter or job.is_active else [],
        "is_sharing_open": has_adapter,
    }


def class_choices(job: TrainingJob) -> list[ClassChoice]:
    return [
        ClassChoice(
            cohort.pk,
            cohort.name,
            is_talkable=share is not None and share.is_talkable,
            is_in_arena=share is not None and share.is_in_arena,
        )
        for cohort, share in shares_of(job)
    ]
