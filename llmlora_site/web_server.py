"""Daphne as we run it: a socket closes with the code and the reason that the application gave.

Daphne itself drops the reason and refuses 1011 and 1013, which tell a page that it may connect again.
"""

from __future__ import annotations

from typing import Any

from daphne.cli import CommandLineInterface
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


def main() -> None:
    WebSocketFactory.protocol = SpokenCloseProtocol
    CommandLineInterface.entrypoint()


if __name__ == "__main__":
    main()
