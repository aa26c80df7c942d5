"""How far a pull is and why it ended, as sentences in the active language."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from modelhub.models import ModelPull
from modelhub.pulling_lifecycle import NOT_OFFERED

_PHASES = ("pulling manifest", "verifying", "writing", "removing", "success")


def pull_sentence(pull: ModelPull) -> str:
    """What it does, or how it ended and what to do."""
    match pull.status:
        case ModelPull.Status.PENDING:
            return _("Waiting for a worker that has an Ollama.")
        case ModelPull.Status.RUNNING if pull.is_cancel_requested:
            return _("Being stopped")
        case ModelPull.Status.RUNNING:
            return _phase_words(pull.detail)
        case ModelPull.Status.FAILED:
            return failure_sentence(pull.error_code, pull.error_params)
        case ModelPull.Status.CANCELLED:
            return _(
                "Stopped. What was fetched by then is kept, and the next pull goes on from there."
            )
    if pull.error_code == NOT_OFFERED:
        return _(
            "The model is in Ollama, but nobody can talk to it: it only makes embeddings, or it runs in a cloud."
        )
    return _("The model is here, and everybody can talk to it.")


def _phase_words(detail: str) -> str:
    """Ollama's words for what it does, in the reader's."""
    phase = next((phase for phase in _PHASES if detail.startswith(phase)), "")
    match phase:
        case "pulling manifest":
            return _("Asking the library for the model")
        case "verifying":
            return _("Checking what was fetched")
        case "writing" | "removing" | "success":
            return _("Putting the model in its place")
    return _("Fetching") if detail else _("Asking Ollama")


def failure_sentence(code: str, params: dict[str, Any]) -> str:
    """Why a pull failed, and what to do."""
    match code:
        case "unknown_model":
            return _(
                "The library has no model of this name and tag. Look the name up at ollama.com/library, "
                "then fetch it again."
            )
        case "disk_full":
            return _(
                "The disk of the machine where Ollama runs is full. Make room there, for example with “ollama rm”, "
                "then "
                "fetch the model again; it goes on where it was."
            )
        case "library_away":
            return _(
                "Ollama could not reach its library, or the connection broke off several times. Check the internet "
                "connection of its machine, then fetch the model again; it goes on where it was."
            )
        case "ollama_too_old":
            return _(
                "This model needs a newer Ollama. Bring Ollama up to date, then fetch the model again."
            )
        case "not_allowed":
            return _(
                "The library, or Ollama itself, did not allow this. Check whether the model is private and whether "
                "OLLAMA_URL needs a name and password."
            )
        case "refused":
            return _("Ollama refused it and said: “%(words)s”. Its own log has the details.") % {
                "words": params.get("words") or "?"
            }
    return ollama_sentence(code)


def ollama_sentence(code: str) -> str:
    """Why Ollama did not do what it was asked for, and what to do."""
    match code:
        case "not_configured":
            return _(
                "No Ollama is set up on this server. Set OLLAMA_URL for the web server and its workers, "
                "then start them again."
            )
        case "unreachable":
            return _(
                "Ollama can not be reached. Check that it runs, and that OLLAMA_URL leads to it from this server and "
                "from its workers."
            )
        case "not_allowed":
            return _("Ollama wants a sign-in. Put the name and password into OLLAMA_URL.")
        case "not_ollama":
            return _(
                "What answers at OLLAMA_URL does not speak as Ollama does. Check the address, its port "
                "and what stands between."
            )
        case "cut_off" | "silent":
            return _("Ollama stopped answering in the middle. Look into its log, then try again.")
        case "busy":
            return _("Ollama has too much to do at the moment. Try again in a minute.")
    return _("Ollama met an error. Its own log has the details; try again, or ask your instructor.")
