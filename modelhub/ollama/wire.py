"""One request to Ollama, whose answer comes as JSON, whole or line by line. Any thread can end it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from common.remote import Answer, Call, Patience, RemoteError
from common.remote import Reason as RemoteReason
from modelhub.ollama.address import ollama_address
from modelhub.ollama.errors import OllamaError, Reason
from modelhub.ollama.values import plain_text

MAX_BODY_BYTES = 16 * 1024 * 1024
"""Of an answer that comes whole: the list of some ten thousand models, or the licences of one."""
MAX_ERROR_BYTES = 64 * 1024

Told = dict[str, Any]
"""An object of an answer."""

_REASONS: dict[RemoteReason, Reason] = {
    "unreachable": "unreachable",
    "silent": "silent",
    "broke_off": "cut_off",
    "garbled": "not_ollama",
    "too_long": "line_too_long",
}


class OllamaCall:
    """A request that is sent when its answer is read.

    Args:
        path: below the address of OLLAMA_URL.
        patience: before the first line a model may have to be loaded.
    """

    def __init__(self, method: str, path: str, body: Told | None, patience: Patience) -> None:
        self._method = method
        self._path = path
        self._body = body
        self._call = Call(patience)

    def close(self) -> None:
        """End it; from any thread, returns at once. Ollama stops the work of a request that nobody reads."""
        self._call.cut()

    def lines(self) -> Iterator[Told]:
        """The objects of the answer, one for each line.

        Raises:
            OllamaError: it failed, was closed, or told a failure in a line of the answer.
        """
        with self._asked() as answer:
            for line in answer.lines():
                if line.strip():
                    yield _read_object(line)

    def whole(self) -> Told:
        """The one object of the answer.

        Raises:
            OllamaError: it failed.
        """
        with self._asked() as answer:
            return _read_object(answer.body(MAX_BODY_BYTES))

    @contextmanager
    def _asked(self) -> Iterator[Answer]:
        address = ollama_address()
        url = f"{address.public}{self._path}"
        try:
            with self._call.ask(
                self._method, url, self._body, authorization=address.authorization
            ) as answer:
                if answer.status != HTTPStatus.OK:
                    raise _refusal(answer.status, answer.beginning(MAX_ERROR_BYTES))
                yield answer
        except RemoteError as error:
            raise OllamaError(
                _REASONS[error.reason], f"{address.public}: {error.detail}"
            ) from error


def fetch(method: str, path: str, body: Told | None = None, *, seconds: float) -> Told:
    """The answer to a request that is quickly answered.

    Raises:
        OllamaError: it failed.
    """
    return OllamaCall(method, path, body, Patience(first_seconds=seconds)).whole()


def _read_object(text: bytes) -> Told:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise OllamaError("not_ollama", f"no JSON: {text[:200]!r}") from error
    if not isinstance(value, dict):
        raise OllamaError("not_ollama", f"no object: {text[:200]!r}")
    if value.get("error"):
        raise OllamaError("server_error", plain_text(value["error"])[:500])
    return value


def _refusal(status: int, body: bytes) -> OllamaError:
    try:
        answer = json.loads(body)
        detail = plain_text(answer["error"])
    except (ValueError, RecursionError, KeyError, TypeError):
        detail = ""
    # A page of some other server says nothing about models.
    return OllamaError(_reason(status, has_reason=bool(detail)), f"{status} {detail[:500]}".strip())


def _reason(status: int, *, has_reason: bool) -> Reason:
    match status:
        case 401 | 403:
            return "not_allowed"
        case 404 if has_reason:
            return "unknown_model"
        case 429 | 503:
            return "busy"
        case _ if status >= 500:
            return "server_error"
        case _ if status >= 400 and has_reason:
            return "refused"
    return "not_ollama"
