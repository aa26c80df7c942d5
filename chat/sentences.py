"""States and failures of replies as sentences in the active language."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from chat.models import Reply
from modelhub.sentences import engine_failure_sentence


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
    return engine_failure_sentence(code, params)


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
