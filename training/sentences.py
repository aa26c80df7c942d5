"""States, faults and failures of jobs as sentences in the active language."""

from __future__ import annotations

from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _

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
            return _("The worker gave the job back; it waits for the next free device.")
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
        case "finished":
            return _finish_sentence(payload)
    return ""


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
    cut, dropped = plan["truncated_count"], plan["dropped_count"]
    if not cut and not dropped:
        return text
    return "{} {}".format(
        text,
        _("Cut at the maximum length: %(cut)d. Left out because no answer remained: %(dropped)d.")
        % {"cut": cut, "dropped": dropped},
    )


def _finish_sentence(payload: dict[str, Any]) -> str:
    match payload["status"]:
        case "completed":
            return _("The adapter is saved. The job is complete.")
        case "cancelled":
            return _("The job was cancelled.")
    return engine_failure_sentence(payload["error_code"], payload["error_params"])
