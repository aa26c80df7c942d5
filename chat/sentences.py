"""States and failures of replies as sentences in the active language."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from chat.models import Answerer, ChatSession, Reply
from chat.selectors import may_answer
from chat.server_sentences import server_failure_sentence
from engine.config import InvalidValueError
from modelhub.sentences import engine_failure_sentence
from training.sentences import fault_sentence


def failure_sentence(reply: Reply) -> str:
    """What happened, why, and what to do; empty unless the reply failed."""
    return (
        error_sentence(reply.error_code, reply.error_params)
        if reply.status == Reply.Status.FAILED
        else ""
    )


def error_sentence(code: str, params: dict[str, Any]) -> str:
    if code == "engine_died":
        return _(
            "The engine stopped while it was answering, perhaps for lack of memory. "
            "It has been started again: send the message again."
        )
    return server_failure_sentence(code, params) or engine_failure_sentence(code, params)


def finish_sentence(finish_reason: str) -> str:
    """Why the answer ended where it did."""
    match finish_reason:
        case "stop":
            return _("The model ended its answer.")
        case "length":
            return _("Cut at the maximum number of tokens.")
        case "cancelled":
            return _("Stopped by you.")
    return ""


def dropped_sentence(reply: Reply) -> str:
    """That the model did not read the whole conversation; empty where it did."""
    count = reply.usage.get("dropped_turns") or 0
    if not count:
        return ""
    return ngettext(
        "The oldest turn was left out, because the conversation is longer than the model's context.",
        "The oldest %(count)d turns were left out, because the conversation is longer than the model's context.",
        count,
    ) % {"count": count}


def absence_sentence(answerer: Answerer) -> str:
    """Why a model of a chat can not answer any more, and what to do; empty while it can."""
    if answerer.is_gone:
        return _(
            "The training job of this chat was deleted, and its adapter with it. "
            "You can still read the chat; begin a new one to go on with another model."
        )
    if not answerer.base_model.is_enabled:
        return _(
            "The base model “%(name)s” is not offered here any more. "
            "You can still read the chat; begin a new one to go on with another model."
        ) % {"name": answerer.base_model.name}
    if not may_answer(answerer):
        return _ended_sharing_sentence(answerer)
    return ""


def _ended_sharing_sentence(answerer: Answerer) -> str:
    if answerer.session.kind == ChatSession.Kind.DUEL:
        return _(
            "One of the two adapters takes no part in the arena any more, so this duel ends here. "
            "Begin the next one."
        )
    if answerer.session.hides_names:
        return _(
            "One of the adapters is not shared with you any more. "
            "You can still read the chat; begin a new one to go on with another model."
        )
    return _(
        "The adapter “%(name)s” is not shared with you any more. "
        "You can still read the chat; begin a new one to go on with another model."
    ) % {"name": answerer.label}


def sampling_fault_sentence(fault: InvalidValueError) -> str:
    """What is wrong with a setting of an answer, and what it may be."""
    match fault.reason:
        case "not_strings":
            return _("Write each stop text on a line of its own.")
        case "too_many":
            return _("Give at most %(count)d stop texts.") % {"count": fault.params["maximum"]}
        case "too_long":
            return _("A stop text may have at most %(count)d characters. Shorten it.") % {
                "count": fault.params["maximum"]
            }
    return fault_sentence(fault)
