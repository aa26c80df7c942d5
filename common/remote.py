"""Requests to other servers that any thread can cut off, and answers that are read within limits of time and size."""

from __future__ import annotations

import json
import math
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection, IncompleteRead
from typing import Any, Literal
from urllib.parse import urlsplit

from common.cutting import CutOff

CONNECT_SECONDS = 5.0
MAX_LINE_BYTES = 1024 * 1024
"""A line holds a few tokens or one number; this is room for all their probabilities."""
CHUNK_BYTES = 64 * 1024

Reason = Literal["unreachable", "silent", "broke_off", "garbled", "too_long"]


class RemoteError(Exception):
    """An answer that did not come, or not to its end.

    Attributes:
        reason: unreachable: no connection. silent: nothing came for too long. broke_off: the connection ended too
            early, or this side cut it off. garbled: what answers does not speak HTTP. too_long: it said more at once
            than is read.
        detail: for the log.
    """

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a server is waited for.

    Attributes:
        first_seconds: until the first line, or for a whole answer.
        silence_seconds: until each further line.
        total_seconds: what goes on after that never ends.
    """

    first_seconds: float
    silence_seconds: float = 60.0
    total_seconds: float = math.inf


class Answer:
    """What a server answers to one request, while its connection is open.

    Attributes:
        status: of HTTP.
        content_type: without its parameters, in small letters.
    """

    def __init__(self, response: HTTPResponse, wait: _Wait) -> None:
        self.status = response.status
        self.content_type = (response.getheader("Content-Type") or "").partition(";")[0].lower()
        self._response = response
        self._wait = wait

    def lines(self) -> Iterator[bytes]:
        """Its lines, without their ends, as they come; a last one without an end too.

        Raises:
            RemoteError: the connection broke, nothing was heard for too long, or a line is too long.
        """
        rest = b""
        while chunk := self._read():
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                # Empty lines and comments only keep the connection open.
                if line.strip() and not line.startswith(b":"):
                    self._wait.note_heard()
                yield line.removesuffix(b"\r")
            if len(rest) > MAX_LINE_BYTES:
                raise RemoteError("too_long", f"a line of more than {MAX_LINE_BYTES} bytes")
        if rest:
            yield rest

    def body(self, most_bytes: int) -> bytes:
        """All of it.

        Raises:
            RemoteError: it did not come whole in time, or is longer.
        """
        body = bytearray()
        while chunk := self._read():
            body += chunk
            if len(body) > most_bytes:
                raise RemoteError("too_long", f"more than {most_bytes} bytes")
        return bytes(body)

    def beginning(self, most_bytes: int) -> bytes:
        """Its beginning, of as much as came where the connection broke."""
        body = bytearray()
        with suppress(RemoteError):
            while len(body) < most_bytes and (chunk := self._read()):
                body += chunk
        return bytes(body[:most_bytes])

    def _read(self) -> bytes:
        self._wait.allow()
        try:
            chunk = self._response.read1(CHUNK_BYTES)
        except (OSError, HTTPException, ValueError) as error:
            raise _failure(error) from error
        if not chunk:
            # What is cut off in the middle looks like the end of an answer without a length.
            self._wait.refuse_cut()
        return chunk


class Call:
    """Requests that belong together, one after another."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._cut_off = CutOff()

    def cut(self) -> None:
        """End the request under way, and let no other begin. From any thread; returns at once."""
        self._cut_off.cut()

    @contextmanager
    def ask(
        self,
        method: str,
        url: str,
        body: Mapping[str, Any] | None = None,
        *,
        authorization: str = "",
    ) -> Iterator[Answer]:
        """Send a request, with JSON where it has a body, and have the answer while its connection is open.

        Args:
            authorization: the header of that name; none when empty.

        Raises:
            RemoteError: no answer came.
        """
        parts = urlsplit(url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=CONNECT_SECONDS)
        try:
            wait = self._connect(connection)
            wait.allow()
            try:
                connection.request(method, parts.path or "/", *_content(body, authorization))
                response = connection.getresponse()
            except (OSError, HTTPException, ValueError) as error:
                raise _failure(error) from error
            with response:
                yield Answer(response, wait)
        finally:
            self._cut_off.release()
            connection.close()

    def _connect(self, connection: HTTPConnection) -> _Wait:
        try:
            connection.connect()
        except (OSError, ValueError) as error:
            raise RemoteError("unreachable", str(error)) from error
        if not self._cut_off.hold(connection.sock):
            raise RemoteError("broke_off", "cut off")
        return _Wait(connection.sock, self._patience, self._cut_off)


class _Wait:
    """Lets a socket wait until the answer is due, however slowly its bytes drip in."""

    def __init__(self, connected: socket.socket, patience: Patience, cut_off: CutOff) -> None:
        self._socket = connected
        self._patience = patience
        self._cut_off = cut_off
        now = time.monotonic()
        self._due_at = now + patience.first_seconds
        self._over_at = now + patience.total_seconds

    def note_heard(self) -> None:
        self._due_at = time.monotonic() + self._patience.silence_seconds

    def allow(self) -> None:
        """Let the socket wait as long as it may."""
        self.refuse_cut()
        seconds = min(self._due_at, self._over_at) - time.monotonic()
        if seconds <= 0:
            raise RemoteError("silent", "nothing that belongs to an answer came in time")
        self._socket.settimeout(seconds)

    def refuse_cut(self) -> None:
        if self._cut_off.is_cut:
            raise RemoteError("broke_off", "cut off")


def _content(
    body: Mapping[str, Any] | None, authorization: str
) -> tuple[bytes | None, dict[str, str]]:
    headers = {"User-Agent": "llmlora", "Accept": "application/json, text/event-stream"}
    if authorization:
        headers["Authorization"] = authorization
    if body is None:
        return None, headers
    headers["Content-Type"] = "application/json"
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace"), headers


def _failure(error: Exception) -> RemoteError:
    if isinstance(error, TimeoutError):
        return RemoteError("silent", "nothing came in time")
    # A body that is cut in the middle of a length, or a file that was closed meanwhile, is no number or no file.
    if isinstance(error, IncompleteRead | OSError) or not isinstance(error, HTTPException):
        return RemoteError("broke_off", str(error) or type(error).__name__)
    return RemoteError("garbled", repr(error))
