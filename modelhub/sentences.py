"""Failures of the engine and refusals of workers as sentences: what happened, why, what to do."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext


def engine_failure_sentence(code: str, params: dict[str, Any]) -> str:
    """The sentence for an engine error code, in the active language."""
    match code:
        case "out_of_memory":
            return _memory_sentence(params)
        case "diverged":
            return _diverged_sentence(params)
        case "dataset_unusable":
            return _dataset_sentence(params)
        case "unsupported_model":
            return _(
                "The base model could not be loaded on this worker. "
                "Choose another one, or ask your instructor to check it."
            )
        case "unsupported_variant":
            return _variant_sentence(params)
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


def _memory_sentence(params: dict[str, Any]) -> str:
    changes = [change for name in params.get("mends") or () if (change := _mend_words(name))]
    if not changes:
        return _(
            "The device ran out of memory. Lower the batch size or the maximum length, "
            "or choose a smaller rank, and start again."
        )
    return ngettext(
        "The device ran out of memory. What helps: %(changes)s. Do that and start again.",
        "The device ran out of memory. What helps, best first: %(changes)s. "
        "Do one of these and start again.",
        len(changes),
    ) % {"changes": pgettext("between changes of settings", "; ").join(changes)}


def _mend_words(name: str) -> str:
    """A setting that needs less memory, as what to do with it; empty for one that we know no words for."""
    match name:
        case "gradient_checkpointing":
            return _("switch gradient checkpointing on")
        case "max_length":
            return _("lower the maximum length")
        case "batch_size":
            return _("lower the batch size")
        case "r":
            return _("choose a smaller rank")
        case "optimizer":
            return _("choose the optimizer Adafactor")
    return ""


def _diverged_sentence(params: dict[str, Any]) -> str:
    step = int(params.get("step") or 0)
    rate = params.get("learning_rate")
    if not rate:
        return _(
            "The loss became infinite at step %(step)d: the learning rate is too high for this data. "
            "Lower it to a third and start again."
        ) % {"step": step}
    return _(
        "The loss became infinite at step %(step)d, where the learning rate stood at %(rate)s: too high for this data. "
        "Lower the learning rate to a third and start again."
    ) % {"step": step, "rate": f"{rate:.2g}"}


def _variant_sentence(params: dict[str, Any]) -> str:
    if params.get("reason") == "no_bias":
        return _(
            "This base model has no biases that could learn. Set the biases to “None” and start again."
        )
    if params.get("variant") == "qlora" and params.get("device") == "cuda":
        return _(
            "QLoRA needs the package bitsandbytes, and the worker of this job has not got it. "
            "Choose LoRA instead, or ask your instructor to install it."
        )
    if params.get("variant") == "qlora":
        return _(
            "QLoRA needs an NVIDIA GPU, and the worker of this job has none. "
            "Choose LoRA instead and start again."
        )
    return _(
        "The worker of this job can not train this variant of LoRA. Choose another variant and start again."
    )


def _dataset_sentence(params: dict[str, Any]) -> str:
    count = int(params.get("dropped_count") or 0)
    match params.get("reason"):
        case "nothing_to_learn":
            return ngettext(
                "No example was left to learn from: the only one is too long. "
                "Raise the maximum length or shorten the example.",
                "No example was left to learn from: all %(count)d are too long. "
                "Raise the maximum length or shorten the examples.",
                count,
            ) % {"count": count}
        case "eval_nothing_to_learn":
            return ngettext(
                "No example of the evaluation dataset was left to measure on: the only one is too long. "
                "Raise the maximum length or choose another evaluation dataset.",
                "No example of the evaluation dataset was left to measure on: all %(count)d are too long. "
                "Raise the maximum length or choose another evaluation dataset.",
                count,
            ) % {"count": count}
    return _(
        "The dataset's file could not be read on the worker. Upload the dataset again, then start a new job."
    )


def refusal_sentence(code: str, params: dict[str, Any]) -> str:
    """Why a worker may take no work, and the mend, in the active language; empty without a refusal."""
    match code:
        case "":
            return ""
        case "no_installation":
            return _(
                "The web server has not prepared this database yet. "
                "Start the web server of the same version first."
            )
        case "other_version":
            return _(
                "This worker is llmlora %(own)s, and the web server is llmlora %(wanted)s. Parts of different versions "
                "do not understand each other: bring both to the same version, then start them again."
            ) % {"own": params.get("own", "?"), "wanted": params.get("wanted", "?")}
        case "clock_skew":
            return _clock_sentence(float(params.get("seconds") or 0))
        case "sqlite_elsewhere":
            return _(
                "The SQLite database of DATABASE_URL belongs to %(host)s, and can not be shared between machines. "
                "Give the web server and the workers a PostgreSQL database."
            ) % {"host": params.get("host", "?")}
    return _storage_sentence(code, params)


def _storage_sentence(code: str, params: dict[str, Any]) -> str:
    values = {"storage": params.get("storage", "?"), "reason": params.get("reason", "?")}
    match code:
        case "no_storage_proof":
            return (
                _(
                    "This worker sees another storage than the web server: %(storage)s does not hold the web server's "
                    "mark. Give both the same storage with LLMLORA_STORAGE or LLMLORA_MEDIA."
                )
                % values
            )
        case "other_storage":
            return (
                _(
                    "This worker sees another storage than the web server: %(storage)s bears the mark of another "
                    "installation. Give both the same storage with LLMLORA_STORAGE or LLMLORA_MEDIA."
                )
                % values
            )
        case "storage_renames":
            return (
                _(
                    "The storage (%(storage)s) keeps a file under another name than the one it was given, so it would "
                    "not be found again. Let it overwrite files, in LLMLORA_STORAGE_OPTIONS."
                )
                % values
            )
        case "storage_unusable":
            return (
                _(
                    "The storage (%(storage)s) can not be used from this worker: %(reason)s. Check its settings, its "
                    "rights and the network."
                )
                % values
            )
    return _(
        "This worker does not fit the web server. Its log has the details; bring both to the same version and settings."
    )


def _clock_sentence(seconds: float) -> str:
    values = {"seconds": f"{abs(seconds):.0f}"}
    if seconds > 0:
        sentence = _(
            "The clock of this worker is %(seconds)s seconds ahead of the database server's, so messages would be "
            "lost. Switch on time synchronisation (NTP) on both machines."
        )
    else:
        sentence = _(
            "The clock of this worker is %(seconds)s seconds behind the database server's, so messages would be "
            "lost. Switch on time synchronisation (NTP) on both machines."
        )
    return sentence % values
