"""Daphne as we run it: sockets close with a code and a reason, large bodies stay on disk, and slow readers are bounded.

Daphne itself drops the reason of a close and refuses 1011 and 1013, which tell a page that it may connect again. It
takes a response as fast as the application gives it, so that a slow reader of a large file fills the memory; and of an
upload it makes a queue of messages, after Twisted has parsed the whole form for itself: eight times its size. What a
socket's reader does not read it keeps as well, until a ping stays without an answer for half a minute.
"""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Awaitable, Callable
from typing import Any, BinaryIO

from daphne import http_protocol
from daphne.cli import CommandLineInterface
from daphne.server import Server
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol

logger = logging.getLogger(__name__)

NORMAL_CLOSURE = 1000
CHUNK_BYTES = 64 * 1024
UNREAD_BYTES = 4 * 1024 * 1024
"""So much may wait for one reader of a socket; the page of one that is dropped opens it again, and begins anew."""
_BODY = "llmlora.body"
_CONTENT_TYPE = b"content-type"

Receive = Callable[[], Awaitable[dict[str, Any]]]
Application = Callable[[dict[str, Any], Receive, Any], Awaitable[None]]


class _Pace:
    """What the transport tells when its buffer is full, and when there is room again."""

    def __init__(self) -> None:
        self.has_room = asyncio.Event()
        self.has_room.set()

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        self.has_room.clear()

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        self.has_room.set()

    def stopProducing(self) -> None:  # noqa: N802 - Twisted's name
        """The reader is gone: nobody waits any more."""
        self.has_room.set()


class SpokenCloseProtocol(WebSocketProtocol):
    maxMessagePayloadSize: int  # noqa: N815 - the library's name
    _pace: _Pace | None = None
    _unread_bytes = 0

    def onOpen(self) -> None:  # noqa: N802 - the library's name
        super().onOpen()
        self._pace = _Pace()
        # Until now the channel of the handshake was told how the transport's buffer stands.
        self.unregisterProducer()
        self.registerProducer(self._pace, streaming=True)

    def sendMessage(self, payload: bytes, *args: Any, **options: Any) -> None:  # noqa: N802 - the library's name
        if self._is_too_slow(len(payload)):
            logger.warning("a socket was dropped, because its reader does not read")
            self.dropConnection(abort=True)
            return
        # The limit is for what clients send; the library holds our own pages and snapshots against it as well.
        limit, self.maxMessagePayloadSize = self.maxMessagePayloadSize, 0
        try:
            super().sendMessage(payload, *args, **options)
        finally:
            self.maxMessagePayloadSize = limit

    def _is_too_slow(self, size_bytes: int) -> bool:
        """Whether too much waits for the reader already; one message alone may have any size."""
        if self._pace is None or self._pace.has_room.is_set():
            self._unread_bytes = 0
        is_too_slow = self._unread_bytes > UNREAD_BYTES
        self._unread_bytes += size_bytes
        return is_too_slow

    def handle_reply(self, message: dict[str, Any]) -> None:
        if message.get("type") == "websocket.close" and self.state == self.STATE_OPEN:
            reason = message.get("reason") or ""
            self.sendCloseFrame(
                code=message.get("code") or NORMAL_CLOSURE, reasonUtf8=reason.encode("utf-8")
            )
        else:
            super().handle_reply(message)


class PacedRequest(http_protocol.WebRequest):
    """A request whose body is read from disk, and whose response is sent no faster than it is read."""

    pace: _Pace | None = None
    content: BinaryIO
    _content_types: list[bytes] | None = None

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:  # noqa: N802 - Twisted's name
        # Twisted parses a form as soon as it sees its type; Django does that, and as a stream.
        self._content_types = self.requestHeaders.getRawHeaders(_CONTENT_TYPE)
        self.requestHeaders.removeHeader(_CONTENT_TYPE)
        super().requestReceived(command, path, version)

    def process(self) -> Any:
        if self._content_types:
            self.requestHeaders.setRawHeaders(_CONTENT_TYPE, self._content_types)
        return super().process()

    def take_body(self) -> BinaryIO:
        """The body, for the application to read; daphne finds nothing left to queue."""
        body, self.content = self.content, io.BytesIO()
        return body

    def handle_reply(self, message: dict[str, Any]) -> None:
        is_body = message.get("type") == "http.response.body"
        is_streaming = is_body and message.get("more_body", False)
        if is_streaming and self.pace is None and self.channel is not None:
            self.pace = _Pace()
            self.registerProducer(self.pace, streaming=True)
        elif is_body and not is_streaming and self.pace is not None:
            self.unregisterProducer()
            self.pace = None
        super().handle_reply(message)


def reading_from_disk(application: Application) -> Application:
    """The application, with its body read from the file when it asks for it."""

    async def run(scope: dict[str, Any], receive: Receive, send: Any) -> None:
        body = scope.pop(_BODY, None)
        if body is None:
            await application(scope, receive, send)
            return
        with body:
            await application(scope, _body_first(body, receive), send)

    return run


def _body_first(body: BinaryIO, receive: Receive) -> Receive:
    is_read = False

    async def from_body() -> dict[str, Any]:
        nonlocal is_read
        if not is_read:
            # Others get their turn between two pieces of a large body.
            await asyncio.sleep(0)
            chunk = body.read(CHUNK_BYTES)
            is_read = len(chunk) < CHUNK_BYTES
            return {"type": "http.request", "body": chunk, "more_body": not is_read}
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return message

    return from_body


class PacedServer(Server):
    def __init__(self, application: Application, *args: Any, **options: Any) -> None:
        super().__init__(reading_from_disk(application), *args, **options)

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> Any:
        if scope["type"] == "http":
            scope[_BODY] = protocol.take_body()
        return super().create_application(protocol, scope)

    async def handle_reply(self, protocol: Any, message: dict[str, Any]) -> None:
        await super().handle_reply(protocol, message)
        pace = getattr(protocol, "pace", None)
        if pace is not None:
            await pace.has_room.wait()


def main() -> None:
    http_protocol.WebRequest = PacedRequest
    CommandLineInterface.server_class = PacedServer
    WebSocketFactory.protocol = SpokenCloseProtocol
    CommandLineInterface.entrypoint()


if __name__ == "__main__":
    main()
