"""One request to Ollama, whose answer comes as JSON, whole or line by line. Any thread can end it."""

from __future__ import annotations

import contextlib
import json
import math
import socket
import time
from collections.abc import Iterator
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection, IncompleteRead
from typing import Any

from common.cutting import CutOff
from modelhub.ollama.address import ollama_address
from modelhub.ollama.errors import OllamaError, Reason

CONNECT_SECONDS = 5.0
MAX_LINE_BYTES = 512 * 1024
"""A line holds a few tokens or one number; this is room for all their probabilities."""
MAX_BODY_BYTES = 16 * 1024 * 1024
"""Of an answer that comes whole: the list of some ten thousand models, or the licences of one."""
MAX_ERROR_BYTES = 64 * 1024
_CHUNK_BYTES = 64 * 1024

Answer = dict[str, Any]


class Call:
    """A request that is sent when its answer is read.

    Args:
        path: below the address of OLLAMA_URL.
        first_seconds: so long the first line, or the whole answer, may take; a model may have to be loaded for it.
        silence_seconds: so long each further line may take.
    """

    def __init__(
        self,
        method: str,
        path: str,
        body: Answer | None = None,
        *,
        first_seconds: float,
        silence_seconds: float = 60.0,
    ) -> None:
        self._method = method
        self._path = path
        self._body = body
        self._first_seconds = first_seconds
        self._silence_seconds = silence_seconds
        self._due_at = 0.0
        self._socket: socket.socket | None = None
        self._cut_off = CutOff()

    def close(self) -> None:
        """End it; from any thread, returns at once. Ollama stops the work of a request that nobody reads."""
        self._cut_off.cut()

    def lines(self) -> Iterator[Answer]:
        """The objects of the answer, one for each line; none after close().

        Raises:
            OllamaError: it failed, or told a failure in a line of the answer.
        """
        rest = b""
        for chunk in self._chunks():
            *whole, rest = (rest + chunk).split(b"\n")
            if len(rest) > MAX_LINE_BYTES:
                raise OllamaError("line_too_long", f"{len(rest)} bytes without an end")
            for line in whole:
                if line.strip():
                    yield _read_object(line)
                    self._due_at = time.monotonic() + self._silence_seconds
        if rest.strip() and not self._cut_off.is_cut:
            yield _read_object(rest)

    def whole(self) -> Answer:
        """The one object of the answer.

        Raises:
            OllamaError: it failed.
        """
        body = b""
        for chunk in self._chunks():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise OllamaError("line_too_long", f"more than {MAX_BODY_BYTES} bytes")
        return _read_object(body)

    def _chunks(self) -> Iterator[bytes]:
        self._due_at = time.monotonic() + self._first_seconds
        try:
            with contextlib.closing(self._connect()) as connection:
                response = self._send(connection)
                with contextlib.closing(response):
                    while chunk := self._next_chunk(response):
                        yield chunk
        except (OSError, HTTPException, ValueError) as error:
            # What a socket says that was shut down in the middle depends on the moment.
            if not self._cut_off.is_cut:
                raise _failure(error) from error

    def _connect(self) -> HTTPConnection:
        address = ollama_address()
        kind = HTTPSConnection if address.is_secure else HTTPConnection
        connection = kind(address.host, address.port, timeout=CONNECT_SECONDS)
        try:
            connection.connect()
        except (OSError, ValueError) as error:
            raise OllamaError("unreachable", f"{address.public}: {error}") from error
        self._socket = connection.sock
        self._cut_off.hold(connection.sock)
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if address.authorization:
            headers["Authorization"] = address.authorization
        body = None if self._body is None else json.dumps(self._body).encode()
        try:
            if not self._cut_off.is_cut:
                connection.request(self._method, f"{address.path}{self._path}", body, headers)
        except OSError as error:
            connection.close()
            if not self._cut_off.is_cut:
                raise OllamaError("cut_off", str(error)) from error
        return connection

    def _send(self, connection: HTTPConnection) -> HTTPResponse:
        self._wait_at_most()
        response = connection.getresponse()
        if response.status != HTTPStatus.OK:
            with contextlib.closing(response):
                raise _refusal(response.status, response.read(MAX_ERROR_BYTES))
        return response

    def _next_chunk(self, response: HTTPResponse) -> bytes:
        if self._cut_off.is_cut:
            return b""
        self._wait_at_most()
        return response.read1(_CHUNK_BYTES)

    def _wait_at_most(self) -> None:
        """Let the socket wait until the answer is due, however slowly its bytes drip in."""
        seconds = self._due_at - time.monotonic()
        if seconds <= 0:
            raise TimeoutError
        if self._socket is not None:
            self._socket.settimeout(seconds)


def fetch(method: str, path: str, body: Answer | None = None, *, seconds: float) -> Answer:
    """The answer to a request that is quickly answered.

    Raises:
        OllamaError: it failed.
    """
    return Call(method, path, body, first_seconds=seconds).whole()


def whole_number(value: Any, *, most: int = 2**63 - 1) -> int:
    """A count as Ollama told it, or 0 where that is none that can be."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return 0
    return min(max(int(value), 0), most)


def plain_text(value: Any) -> str:
    """A text as Ollama told it that every database can store; empty where it is none."""
    if not isinstance(value, str):
        return ""
    return value.encode("utf-8", "replace").decode().replace("\x00", "")


def _read_object(text: bytes) -> Answer:
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


def _failure(error: Exception) -> OllamaError:
    if isinstance(error, TimeoutError):
        return OllamaError("silent", "nothing came in time")
    if isinstance(error, IncompleteRead | OSError):
        return OllamaError("cut_off", str(error) or type(error).__name__)
    return OllamaError("not_ollama", f"{type(error).__name__}: {error}")
