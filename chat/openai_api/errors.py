"""Failures in the protocol's words: its body, its kinds, and what clients do with each status."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _

from chat.models import Reply
from chat.sentences import failure_sentence
from common.errors import (
    DomainError,
    Fault,
    InvalidInputError,
    NotFoundError,
    Sentence,
    UnavailableError,
)

STATUSES = {409: 400, 422: 400, 507: 503}
"""Clients of the protocol know only some statuses; those that they know not become their next of kin."""
TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
CODES = {
    "not_signed_in": "invalid_api_key",
    "invalid": "invalid_value",
    "too_large": "request_too_large",
    "too_many_requests": "rate_limit_exceeded",
}
"""Our names of failures that the protocol calls otherwise."""


class ModelNotFoundError(NotFoundError):
    code = "model_not_found"

    def __init__(self, name: str) -> None:
        sentence = _(
            "There is no model named “%(name)s” that you can talk to. GET /v1/models lists those that there are."
        ) % {"name": name[:200]}
        super().__init__(sentence, faults=[Fault(sentence, field="model")])


class ContextExceededError(InvalidInputError):
    code = "context_length_exceeded"


class AdapterUnusableError(InvalidInputError):
    code = "adapter_unusable"


class AnswerStoppedError(UnavailableError):
    code = "answer_stopped"


def failure_of(reply: Reply) -> DomainError | None:
    """Why a reply that has ended is not an answer; None of one that is."""
    match reply.status, reply.error_code:
        case Reply.Status.COMPLETED, _code:
            return None
        case Reply.Status.CANCELLED, _code:
            return AnswerStoppedError(
                _("The answer was stopped before it was complete. Send the request again.")
            )
        case _status, "prompt_too_long":
            sentence = failure_sentence(reply)
            return ContextExceededError(sentence, faults=[Fault(sentence, field="messages")])
        case _status, "adapter_unusable":
            sentence = failure_sentence(reply)
            return AdapterUnusableError(sentence, faults=[Fault(sentence, field="model")])
    return UnavailableError(failure_sentence(reply))


def error_body(
    status: int, message: Sentence, *, code: str, faults: Sequence[Fault] = ()
) -> dict[str, Any]:
    """The body of a failure; the protocol has room for one sentence and one field, those of the first fault."""
    kind = TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {
        "error": {
            "message": str(faults[0].message if faults else message),
            "type": kind,
            "param": faults[0].field if faults else None,
            "code": CODES.get(code, code),
        }
    }


def domain_error_body(error: DomainError) -> dict[str, Any]:
    return error_body(
        protocol_status(error.status), error.message, code=error.code, faults=error.faults
    )


def protocol_status(status: int) -> int:
    return STATUSES.get(status, status)
