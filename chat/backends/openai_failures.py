"""What servers of the chat completions protocol say when they do not answer, as codes of ours."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from chat.backends.calls import failure_text
from chat.backends.failures import (
    FAILED,
    GARBLED,
    REFUSED,
    ServerError,
    code_of_status,
)
from chat.backends.openai_request import EXTRA_FIELDS
from common.remote import Answer

PROMPT_TOO_LONG = "prompt_too_long"
"""The engine's code, so that programs are told of it in the same way."""

_CONTEXT_CODES = ("context_length_exceeded", "exceed_context_size_error")
_CONTEXT_WORDS = ("maximum context length", "context length is", "context size", "context window")


def refusal(answer: Answer) -> ServerError:
    """Of an HTTP answer that is no success."""
    said = _words(failure_text(answer))
    if answer.status in (400, 413, 422) and _is_context(said):
        return ServerError(PROMPT_TOO_LONG, said, status=answer.status)
    return ServerError(
        code_of_status(answer.status), f"{answer.status} {said}", status=answer.status
    )


def told_failure(error: Any) -> ServerError:
    """Of a failure that was told within a stream.

    Args:
        error: what stood at `error`: mostly an object with message, code and type.
    """
    said = json.dumps(error) if not isinstance(error, str) else error
    if _is_context(said):
        return ServerError(PROMPT_TOO_LONG, said)
    status = error.get("code") if isinstance(error, Mapping) else 0
    status = status if isinstance(status, int) and 400 <= status < 600 else 0
    return ServerError(code_of_status(status) if status else FAILED, said, status=status)


def names_extra_field(error: ServerError) -> bool:
    """Whether a request was refused for a field that the protocol does not have."""
    return (
        error.code == REFUSED
        and error.status in (400, 422)
        and any(name in error.detail for name in EXTRA_FIELDS)
    )


def garbled(detail: str) -> ServerError:
    return ServerError(GARBLED, detail)


def _words(text: str) -> str:
    """What a failure's body says: its message with its code and type, or the body itself."""
    try:
        error = json.loads(text)
        error = error.get("error", error)
        parts = [error.get(name) for name in ("message", "detail", "type", "code")]
        said = " ".join(str(part) for part in parts if part)
    except (ValueError, RecursionError, AttributeError):
        said = ""
    return said or text


def _is_context(said: str) -> bool:
    small = said.lower()
    return any(code in small for code in _CONTEXT_CODES) or any(
        words in small for words in _CONTEXT_WORDS
    )
