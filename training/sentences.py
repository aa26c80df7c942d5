"""States, faults and failures of jobs as sentences in the active language."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from common.sentences import joined
from engine.config import InvalidValueError
from modelhub.sentences import engine_failure_sentence
from training.models import TrainingEvent, TrainingJob


def failure_sentence(job: TrainingJob) -> str:
    """What happened, why, and what to do; empty unless the job failed."""
    if job.status != TrainingJob.Status.FAILED:
        return ""
    return engine_failure_sentence(job.error_code, job.error_params)


def stage_sentence(stage: str) -> str:
    match stage:
        case "queued":
            return _("Waiting for a free device.")
        case "preparing":
            return _("Loading the base model and turning the examples into tokens.")
        case "baseline":
            return _("Measuring the base model before training.")
        case "training":
            return _("The adapter is learning.")
        case "evaluating":
            return _("Measuring on the held-out examples.")
        case "saving":
            return _("Saving the adapter.")
        case "cancelling":
            return _("Cancelling: the worker stops within two seconds.")
        case "stopping":
            return _("Stopping after this step, keeping the adapter.")
    return _("Done.")


def fault_sentence(fault: InvalidValueError) -> str:
    """What is wrong with one hyperparameter, and what it may be."""
    match fault.reason:
        case "out_of_range":
            low, high = fault.params["minimum"], fault.params["maximum"]
            return _("Enter a value from %(minimum)s to %(maximum)s.") % {
                "minimum": _plain(low),
                "maximum": _plain(high),
            }
        case "not_a_number":
            return _("Enter a number.")
        case "not_an_integer":
            return _("Enter a whole number.")
        case "not_a_choice":
            return _("Choose one of: %(choices)s.") % {
                "choices": ", ".join(fault.params["choices"])
            }
        case "no_modules":
            return _("Choose at least one layer.")
        case "not_a_pattern":
            return _("Give each layer its own value, for example: q_proj=16, down_proj=4.")
        case "layer_twice":
            return _("A layer is named twice. Name each layer once.")
    return _("There is no setting of this name.")


def _plain(value: float) -> str:
    """A limit as people write it: no exponent for whole numbers, no locale."""
    return str(int(value)) if value == int(value) else f"{value:g}"


def event_sentence(event: TrainingEvent) -> str:
    """One line of the job's log; empty for events that the curves show."""
    payload: dict[str, Any] = event.payload
    match event.type:
        case "stage" if "plan" in payload:
            return _plan_sentence(payload["plan"])
        case "stage" if payload["stage"] == "queued":
            return _queue_sentence(payload)
        case "stage":
            return stage_sentence(payload["stage"])
        case "evaluation" if payload["step"] == 0:
            return _("Held-out loss of the untouched base model: %(loss).3f.") % {
                "loss": payload["eval_loss"]
            }
        case "evaluation":
            return _("Held-out loss after step %(step)d: %(loss).3f.") % {
                "step": payload["step"],
                "loss": payload["eval_loss"],
            }
        case "checkpoint":
            return _checkpoint_sentence(payload)
        case "finished":
            return _finish_sentence(payload)
    return ""


def _queue_sentence(payload: dict[str, Any]) -> str:
    """Why a job waits that was in the queue before."""
    if payload.get("is_resumed"):
        return _("The job was resumed; it waits for the next free device.")
    if payload.get("is_lost"):
        return _("The worker was lost; the job waits for the next free device.")
    if "attempt" in payload:
        return _("The worker gave the job back; it waits for the next free device.")
    return stage_sentence("queued")


def _checkpoint_sentence(payload: dict[str, Any]) -> str:
    if payload.get("failed"):
        return _(
            "There was no space for a checkpoint after step %(step)d; the one before stays."
        ) % {"step": payload["step"]}
    return _("A checkpoint was saved after step %(step)d.") % {"step": payload["step"]}


def _grouped(value: int) -> str:
    return number_format(value, force_grouping=True)


def _plan_sentence(plan: dict[str, Any]) -> str:
    text = _(
        "%(examples)s examples with %(tokens)s tokens, %(steps)s steps, %(parameters)s trainable parameters."
    ) % {
        "examples": _grouped(plan["example_count"]),
        "tokens": _grouped(plan["token_count"]),
        "steps": _grouped(plan["total_steps"]),
        "parameters": _grouped(plan["trainable_parameters"]),
    }
    return joined([text, *_plan_notes(plan)])


def _plan_notes(plan: dict[str, Any]) -> Iterator[str]:
    """What became of examples that are too long, and where a resumed job goes on; nothing where all is usual."""
    cut, dropped = plan["truncated_count"], plan["dropped_count"]
    if cut or dropped:
        yield _(
            "Shortened to the maximum length: %(cut)d. Left out because they were too long: %(dropped)d."
        ) % {
            "cut": cut,
            "dropped": dropped,
        }
    cut_answers = plan.get("cut_answer_count", 0)
    if cut_answers:
        yield ngettext(
            "%(count)d answer was too long, so its end is missing.",
            "%(count)d answers were too long, so their ends are missing.",
            cut_answers,
        ) % {"count": cut_answers}
    resumed_step = plan.get("resumed_step", 0)
    if resumed_step:
        yield _("The job goes on after step %(step)d, from its last checkpoint.") % {
            "step": resumed_step
        }


def _finish_sentence(payload: dict[str, Any]) -> str:
    match payload["status"]:
        case "completed":
            return joined([_completion_sentence(payload), _kept_sentence(payload)])
        case "cancelled":
            return _("The job was cancelled.")
    return engine_failure_sentence(payload["error_code"], payload["error_params"])


def _completion_sentence(payload: dict[str, Any]) -> str:
    if payload.get("stopped_by_request"):
        return _("Stopped by request after step %(step)d; the adapter is kept.") % {
            "step": payload["step"]
        }
    if payload.get("stopped_early"):
        return _(
            "Stopped early after step %(step)d, because the held-out loss fell no further; the adapter is kept."
        ) % {"step": payload["step"]}
    return _("The adapter is saved. The job is complete.")


def _kept_sentence(payload: dict[str, Any]) -> str:
    """Which step's adapter was kept, where it is not the last one's."""
    if payload.get("adapter_step", 0) >= payload.get("step", 0):
        return ""
    return _("It is the one of step %(step)d, which had the lowest held-out loss.") % {
        "step": payload["adapter_step"]
    }
