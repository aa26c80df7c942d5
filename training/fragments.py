"""The parts of a job's page that change while it lives, for the page, the poll and the socket alike.

Each part has one template, whose root carries a stable id: whoever gets it swaps it by that id.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.template.loader import render_to_string

from training.curves import job_curves
from training.models import TrainingJob
from training.selectors import job_log, metric_points, queue_position, remaining_seconds
from training.sentences import failure_sentence, stage_sentence

ALL_PIECES = ("stage", "status", "outcome", "actions", "curves", "points", "log")
FAST_PIECES = ("status", "curves", "points")
"""What every step changes."""


def job_context(job: TrainingJob) -> dict[str, Any]:
    """What the parts show."""
    return {
        "job": job,
        "is_over": not job.is_active,
        "is_cancelling": job.is_active and job.cancel_requested_at is not None,
        "stage_sentence": stage_sentence(job.stage),
        "failure_sentence": failure_sentence(job),
        "queue_position": queue_position(job),
        "remaining_seconds": remaining_seconds(job),
        "duration_seconds": _duration_seconds(job),
        "total_epochs": job.training.num_epochs,
        "curves": job_curves(job, metric_points(job)),
        "log": job_log(job),
        "has_adapter": getattr(job, "adapter", None) is not None,
    }


def _duration_seconds(job: TrainingJob) -> float | None:
    if job.started_at is None or job.completed_at is None:
        return None
    return (job.completed_at - job.started_at).total_seconds()


def render_pieces(job: TrainingJob, names: Iterable[str]) -> str:
    """The named parts, each marked to replace its own element on the page."""
    context = job_context(job) | {"is_oob": True}
    return "".join(render_to_string(f"training/pieces/{name}.html", context) for name in names)
