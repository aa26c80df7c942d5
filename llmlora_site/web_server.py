"""Daphne as we run it: sockets close with a code and a reason, and a download waits for its reader.

Daphne itself drops the reason of a close and refuses 1011 and 1013, which tell a page that it may connect again; and it
takes a response as fast as the application gives it, so that a slow reader of a large file fills the memory.
"""

from __future__ import annotations

import asyncio
from typing import Any

from daphne import http_protocol
from daphne.cli import CommandLineInterface
from daphne.server import Server
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol

NORMAL_CLOSURE = 1000


class SpokenCloseProtocol(WebSocketProtocol):
    def handle_reply(self, message: dict[str, Any]) -> None:
        if message.get("type") == "websocket.close" and self.state == self.STATE_OPEN:
            reason = message.get("reason") or ""
            self.sendCloseFrame(
                code=message.get("code") or NORMAL_CLOSURE, reasonUtf8=reason.encode("utf-8")
            )
        else:
            super().handle_reply(message)


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


class PacedRequest(http_protocol.WebRequest):
    """A request whose response is sent no faster than it is read."""

    pace: _Pace | None = None

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


class PacedServer(Server):
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
