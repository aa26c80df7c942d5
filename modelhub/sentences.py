"""Failures of the engine as sentences: what happened, why, what to do."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext


def engine_failure_sentence(code: str, params: dict[str, Any]) -> str:
    """The sentence for an engine error code, in the active language."""
    match code:
        case "out_of_memory":
            return _(
                "The device ran out of memory. Lower the batch size or the maximum length, "
                "or choose a smaller rank, and start again."
            )
        case "diverged":
            return _(
                "The loss became infinite at step %(step)d: the learning rate is too high for this data. "
                "Lower it to a third and start again."
            ) % {"step": int(params.get("step") or 0)}
        case "dataset_unusable":
            return _dataset_sentence(params)
        case "unsupported_model":
            return _(
                "The base model could not be loaded on this worker. "
                "Choose another one, or ask your instructor to check it."
            )
        case "adapter_unusable":
            return _(
                "The adapter's files are missing or damaged. Train the job again to get a fresh one."
            )
        case "disk_full":
            return _(
                "The worker's disk is full, so the result could not be saved. "
                "Ask your instructor to free some space, then start again."
            )
        case "prompt_too_long":
            return _(
                "The conversation is longer than the model can read at once. "
                "Start a new chat, or shorten your message."
            )
    return _process_sentence(code)


def _process_sentence(code: str) -> str:
    match code:
        case "engine_died":
            return _(
                "The training engine stopped unexpectedly, perhaps for lack of memory. It has been started again: "
                "try again, with a smaller batch size if this repeats."
            )
        case "worker_lost":
            return _(
                "The worker stopped answering several times while it was busy with this. "
                "Ask your instructor to check the worker, then start again."
            )
        case "worker_stopped":
            return _(
                "The worker was stopped before the answer was complete. Send the message again."
            )
    return _(
        "Something unexpected went wrong on the worker. Its log has the details; try again, or ask your instructor."
    )


def _dataset_sentence(params: dict[str, Any]) -> str:
    if params.get("reason") != "nothing_to_learn":
        return _(
            "The dataset's file could not be read on the worker. Upload the dataset again, then start a new job."
        )
    count = int(params.get("dropped_count") or 0)
    return ngettext(
        "No example was left to learn from: the only one was cut before its answer. "
        "Raise the maximum length or shorten the example.",
        "No example was left to learn from: all %(count)d were cut before their answers. "
        "Raise the maximum length or shorten the examples.",
        count,
    ) % {"count": count}
