"""Requests to another server that any thread can cut off, and answers that are read line by line within limits."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.client import (
    HTTPConnection,
    HTTPException,
    HTTPResponse,
    HTTPSConnection,
    RemoteDisconnected,
)
from typing import Any
from urllib.parse import urlsplit

from chat.backends.failures import BROKE_OFF, GARBLED, SILENT, UNREACHABLE, ServerError
from common.cutting import CutOff

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 3600.0
"""Longer than the longest answer takes on a slow server; what goes on after that never ends."""
MAX_LINE_BYTES = 1024 * 1024
"""An event holds a few tokens."""
MAX_BODY_BYTES = 64 * 1024
"""Of an answer that is read whole: a failure, or a word of consent."""
CHUNK_BYTES = 64 * 1024
MAX_DETAIL_CHARACTERS = 300


class Answer:
    """What a server answers to one request, while its connection is open.

    Attributes:
        status: of HTTP.
        content_type: without its parameters, in small letters.
    """

    def __init__(self, response: HTTPResponse, silence_seconds: float) -> None:
        self.status = response.status
        self.content_type = (response.getheader("Content-Type") or "").partition(";")[0].lower()
        self._response = response
        self._silence_seconds = silence_seconds
        self._begun_at = self._heard_at = time.monotonic()

    def lines(self) -> Iterator[bytes]:
        """Its lines, without their ends, as they come; a last one without an end too.

        Raises:
            ServerError: the connection broke, nothing was heard for too long, or a line is too long.
        """
        rest = bytearray()
        while chunk := self._read():
            rest += chunk
            if b"\n" in chunk:
                *whole, last = bytes(rest).split(b"\n")
                rest = bytearray(last)
                for line in whole:
                    # Empty lines and comments only keep the connection open.
                    if line.strip() and not line.startswith(b":"):
                        self._heard_at = time.monotonic()
                    yield line.removesuffix(b"\r")
            if len(rest) > MAX_LINE_BYTES:
                raise ServerError(GARBLED, f"a line of more than {MAX_LINE_BYTES} bytes")
        if rest:
            yield bytes(rest)

    def body(self) -> str:
        """Its text, or the beginning of it; as much as came where the connection broke."""
        parts, size = [], 0
        with suppress(ServerError):
            while size < MAX_BODY_BYTES and (chunk := self._read()):
                parts.append(chunk)
                size += len(chunk)
        return b"".join(parts)[:MAX_BODY_BYTES].decode("utf-8", "replace")

    def _read(self) -> bytes:
        now = time.monotonic()
        if now - self._heard_at > self._silence_seconds or now - self._begun_at > ANSWER_SECONDS:
            raise ServerError(SILENT, "bytes came, but nothing that belongs to an answer")
        try:
            return self._response.read1(CHUNK_BYTES)
        except TimeoutError as error:
            raise ServerError(SILENT, f"nothing for {self._silence_seconds:g} s") from error
        except (OSError, HTTPException, ValueError) as error:
            raise ServerError(BROKE_OFF, repr(error)) from error


class Call:
    """Requests that belong to one reply, one after another.

    Args:
        silence_seconds: so long the server may send nothing.
        key: sent with every request, told to nobody.
    """

    def __init__(self, silence_seconds: float, key: str = "") -> None:
        self._silence_seconds = silence_seconds
        self._key = key
        self._headers = {"User-Agent": "llmlora", "Content-Type": "application/json"}
        if key:
            self._headers["Authorization"] = f"Bearer {key}"
        self._cut_off = CutOff()

    @contextmanager
    def post(self, url: str, body: Mapping[str, Any]) -> Iterator[Answer]:
        """Send JSON, and have the answer while its connection is open.

        Raises:
            ServerError: no answer came.
        """
        parts = urlsplit(url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=CONNECT_SECONDS)
        try:
            self._connect(connection)
            yield Answer(self._send(connection, parts.path, body), self._silence_seconds)
        finally:
            self._cut_off.release()
            connection.close()

    def cut(self) -> None:
        """End the request under way, and let no other begin. From any thread; returns at once."""
        self._cut_off.cut()

    def told(self, detail: str) -> str:
        """What a log may hold of it: servers repeat the key that they refuse."""
        return (detail.replace(self._key, "***") if self._key else detail)[:MAX_DETAIL_CHARACTERS]

    def _connect(self, connection: HTTPConnection) -> None:
        try:
            connection.connect()
        except (OSError, ValueError) as error:
            raise ServerError(UNREACHABLE, str(error)) from error
        connection.sock.settimeout(self._silence_seconds)
        if not self._cut_off.hold(connection.sock):
            raise ServerError(BROKE_OFF, "cut off")

    def _send(self, connection: HTTPConnection, path: str, body: Mapping[str, Any]) -> HTTPResponse:
        text = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        try:
            connection.request("POST", path, text, self._headers)
            return connection.getresponse()
        except TimeoutError as error:
            raise ServerError(SILENT, f"no answer within {self._silence_seconds:g} s") from error
        except (RemoteDisconnected, OSError) as error:
            raise ServerError(BROKE_OFF, repr(error)) from error
        except HTTPException as error:
            raise ServerError(GARBLED, repr(error)) from error
