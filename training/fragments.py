"""The parts of a job's page that change while it lives, for the page, the poll and the socket alike.

Each part has one template, whose root carries a stable id: whoever gets it swaps it by that id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from training.curves.page import curves_context
from training.curves.view import CurveView
from training.diagnosis.page import diagnosis_context
from training.models import TrainingJob
from training.progress.attempts import attempt_sentences, resume_sentence
from training.progress.phases import job_phases
from training.progress.remaining import remaining_seconds
from training.progress.samples import sampled_prompts
from training.queue.page import queue_context
from training.selectors import job_log
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
QUEUE_PIECES = ("status", "queue")
"""What changes for a waiting job by what others do."""
PROJECTOR_PIECES = ("stage", "projector")

PIECES_OF_EVENT = {
    "metrics": ("status", "curves", "points"),
    "evaluation": ("status", "curves", "points", "log"),
    "sample": ("samples",),
    "checkpoint": ("log",),
}
"""What an event changes, where that is not everything."""

Context = Callable[[TrainingJob, CurveView], dict[str, Any]]


def pieces_of(event_types: Iterable[str], view: CurveView) -> tuple[str, ...]:
    """The parts that these events change."""
    if view.is_projector:
        return PROJECTOR_PIECES
    changed: set[str] = set()
    for event_type in event_types:
        changed.update(PIECES_OF_EVENT.get(event_type, ALL_PIECES))
    return tuple(name for name in ALL_PIECES if name in changed)


def all_pieces(view: CurveView) -> tuple[str, ...]:
    return PROJECTOR_PIECES if view.is_projector else ALL_PIECES


def render_pieces(job: TrainingJob, names: Iterable[str], view: CurveView | None = None) -> str:
    """The named parts, each marked to replace its own element on the page."""
    names = tuple(names)
    context = job_context(job, view, names) | {"is_oob": True}
    return "".join(render_to_string(f"training/pieces/{name}.html", context) for name in names)


def job_context(
    job: TrainingJob, view: CurveView | None = None, names: Iterable[str] = ALL_PIECES
) -> dict[str, Any]:
    """What the named parts show."""
    view = view or CurveView()
    context = _common_context(job, view)
    # Several parts read the same, as curves and points do: once is enough.
    for read in dict.fromkeys(read for name in names for read in READS[name]):
        context |= read(job, view)
    return context


def _common_context(job: TrainingJob, view: CurveView) -> dict[str, Any]:
    is_cancelling = job.is_active and job.cancel_requested_at is not None
    is_stopping = job.is_active and job.stop_requested_at is not None and not is_cancelling
    return {
        "job": job,
        "view": view,
        "is_over": not job.is_active,
        "is_cancelling": is_cancelling,
        "is_stopping": is_stopping,
        "can_stop": _has_learned(job) and not is_stopping and not is_cancelling,
        "stage_sentence": _stage_sentence(job),
        "failure_sentence": failure_sentence(job),
    }


def _has_learned(job: TrainingJob) -> bool:
    """Whether there may be something to keep: before the first step an adapter changes nothing."""
    return job.status == TrainingJob.Status.RUNNING and job.training_started_at is not None


def _stage_sentence(job: TrainingJob) -> str:
    if job.status == TrainingJob.Status.PENDING:
        # Why it waits, and for how long, stands in the queue's own part.
        return _("Waiting in the queue.")
    return stage_sentence(job.stage)


# --- what single parts read -----------------------------------------------------------------------


def _progress(job: TrainingJob, view: CurveView) -> dict[str, Any]:
    has_ended_before = not job.is_active and 0 < job.current_step < job.total_steps
    return {
        # A job that stopped before its last step has not done all of it, also when it is complete.
        "step_share": min(1.0, job.current_step / job.total_steps) if job.total_steps else 0.0,
        "has_ended_before": has_ended_before,
        "remaining_seconds": remaining_seconds(job),
        "duration_seconds": _duration_seconds(job),
        "total_epochs": job.training.num_epochs,
        "phases": job_phases(job),
        "attempt_sentences": attempt_sentences(job),
    }


def _duration_seconds(job: TrainingJob) -> float | None:
    if job.started_at is None or job.completed_at is None:
        return None
    return (job.completed_at - job.started_at).total_seconds()


def _queue(job: TrainingJob, view: CurveView) -> dict[str, Any]:
    return queue_context(job)


def _outcome(job: TrainingJob, view: CurveView) -> dict[str, Any]:
    return {
        "has_adapter": getattr(job, "adapter", None) is not None,
        "resume_sentence": resume_sentence(job),
    }


def _diagnosis(job: TrainingJob, view: CurveView) -> dict[str, Any]:
    return diagnosis_context(job)


def _curves(job: TrainingJob, view: CurveView) -> dict[str, Any]:
    return curves_context(job, view)


def _samples(job: TrainingJob, view: CurveView) -> dict[str, Any]:
    return {"sampled_prompts": sampled_prompts(job)}


def _log(job: TrainingJob, view: CurveView) -> dict[str, Any]:
    return {"log": job_log(job)}


READS: dict[str, tuple[Context, ...]] = {
    "stage": (),
    "status": (_progress,),
    "queue": (_queue,),
    "outcome": (_outcome,),
    "diagnosis": (_diagnosis,),
    "actions": (_outcome,),
    "curves": (_curves,),
    "points": (_curves,),
    "samples": (_samples,),
    "log": (_log,),
    "projector": (_progress, _curves),
}
