"""A person's own words on a job: guess, explanation, notes, tags, star, archive."""

from __future__ import annotations

from typing import Any

from training.models import TrainingJob
from training.notebook.guessing import can_guess, guess_lock_sentence
from training.notebook.texts import TextForm, text_form


def notebook_context(job: TrainingJob) -> dict[str, Any]:
    """What the notebook shows; of the result only what stands beside the guess."""
    return {
        "notes_form": text_form(job, "notes"),
        "prediction_form": text_form(job, "prediction") if can_guess(job) else None,
        "explanation_form": None if job.is_active else text_form(job, "explanation"),
        "guess_lock": guess_lock_sentence(job),
        "tags_form": tags_form(job),
        "guess_duration_seconds": _duration_seconds(job),
    }


def with_text_form(context: dict[str, Any], form: TextForm) -> dict[str, Any]:
    """The same with one form that was typed in."""
    return context | {f"{form.field}_form": form}


def tags_form(
    job: TrainingJob,
    *,
    typed: str | None = None,
    faults: list[str] | None = None,
    is_saved: bool = False,
) -> dict[str, Any]:
    """The tags as the text that a person edits."""
    return {
        "value": ", ".join(job.tags) if typed is None else typed,
        "faults": faults or [],
        "is_saved": is_saved,
    }


def _duration_seconds(job: TrainingJob) -> float | None:
    if job.started_at is None or job.completed_at is None:
        return None
    return (job.completed_at - job.started_at).total_seconds()
