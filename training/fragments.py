"""The parts of a job's page that change while it lives, for the page, the poll and the socket alike.

Each part has one template, whose root carries a stable id: whoever gets it swaps it by that id.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from modelhub.selectors import has_cuda_worker
from training.curves import job_curves
from training.diagnosis.page import diagnosis_context
from training.models import TrainingJob
from training.queue.page import queue_context
from training.selectors import (
    job_log,
    metric_points,
    queue_position,
    remaining_seconds,
    sampled_prompts,
)
from training.sentences import failure_sentence, stage_sentence

ALL_PIECES = (
    "stage",
    "status",
    "queue",
    "outcome",
    "diagnosis",
    "actions",
    "curves",
    "points",
    "samples",
    "log",
)
FAST_PIECES = ("status", "curves", "points")
"""What every step changes."""


def job_context(job: TrainingJob) -> dict[str, Any]:
    """What the parts show."""
    is_cancelling = job.is_active and job.cancel_requested_at is not None
    is_stopping = job.is_active and job.stop_requested_at is not None and not is_cancelling
    return {
        "job": job,
        "is_over": not job.is_active,
        "is_cancelling": is_cancelling,
        "is_stopping": is_stopping,
        "can_stop": _has_learned(job) and not is_stopping and not is_cancelling,
        "stage_sentence": _stage_sentence(job),
        "failure_sentence": failure_sentence(job),
        "queue_position": queue_position(job),
        "remaining_seconds": remaining_seconds(job),
        "duration_seconds": _duration_seconds(job),
        "total_epochs": job.training.num_epochs,
        "curves": job_curves(job, metric_points(job)),
        "sampled_prompts": sampled_prompts(job),
        "log": job_log(job),
        "has_adapter": getattr(job, "adapter", None) is not None,
        **queue_context(job),
        **diagnosis_context(job),
    }


def _has_learned(job: TrainingJob) -> bool:
    """Whether there may be something to keep: before the first step an adapter changes nothing."""
    return job.status == TrainingJob.Status.RUNNING and job.training_started_at is not None


def _stage_sentence(job: TrainingJob) -> str:
    is_waiting = job.status == TrainingJob.Status.PENDING
    if is_waiting and job.lora.variant == "qlora" and not has_cuda_worker():
        return _("Waiting for a worker with an NVIDIA GPU, which QLoRA needs.")
    return stage_sentence(job.stage)


def _duration_seconds(job: TrainingJob) -> float | None:
    if job.started_at is None or job.completed_at is None:
        return None
    return (job.completed_at - job.started_at).total_seconds()


def render_pieces(job: TrainingJob, names: Iterable[str]) -> str:
    """The named parts, each marked to replace its own element on the page."""
    context = job_context(job) | {"is_oob": True}
    return "".join(render_to_string(f"training/pieces/{name}.html", context) for name in names)
