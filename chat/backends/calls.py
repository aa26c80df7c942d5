"""Requests to the servers that answer chats, with their failures as codes of ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from chat.backends.failures import BROKE_OFF, GARBLED, SILENT, UNREACHABLE, ServerError
from common.remote import Answer, Call, Patience, Reason, RemoteError

ANSWER_SECONDS = 3600.0
"""Longer than the longest answer takes on a slow server; what goes on after that never ends."""
MAX_FAILURE_BYTES = 64 * 1024
MAX_DETAIL_CHARACTERS = 300

_CODES: dict[Reason, str] = {
    "unreachable": UNREACHABLE,
    "silent": SILENT,
    "broke_off": BROKE_OFF,
    "garbled": GARBLED,
    "too_long": GARBLED,
}


class ServerCall:
    """Requests that belong to one reply, one after another.

    Args:
        silence_seconds: so long the server may send nothing.
        authorization: header that is sent with every request and told to nobody; none when empty.
    """

    def __init__(self, silence_seconds: float, authorization: str = "") -> None:
        self._call = Call(Patience(silence_seconds, silence_seconds, ANSWER_SECONDS))
        self._authorization = authorization

    @contextmanager
    def post(self, url: str, body: Mapping[str, Any]) -> Iterator[Answer]:
        """Send JSON, and have the answer while its connection is open.

        Raises:
            ServerError: no answer came, or it could not be read to its end.
        """
        try:
            with self._call.ask("POST", url, body, authorization=self._authorization) as answer:
                yield answer
        except RemoteError as error:
            raise ServerError(_CODES[error.reason], error.detail) from error

    def cut(self) -> None:
        """End the request under way, and let no other begin. From any thread; returns at once."""
        self._call.cut()

    def told(self, detail: str) -> str:
        """What a log may hold of it: servers repeat the key that they refuse."""
        _scheme, _space, key = self._authorization.partition(" ")
        return (detail.replace(key, "***") if key else detail)[:MAX_DETAIL_CHARACTERS]


def failure_text(answer: Answer) -> str:
    """What an answer that is no success says, or the beginning of it."""
    return answer.beginning(MAX_FAILURE_BYTES).decode("utf-8", "replace")
