"""A small HTTP server that stands for a remote service: a chat server that no test can have, in every mood.

What it says to each path is a function of the test; what it was asked is kept.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CHAT, LOAD, UNLOAD = "/v1/chat/completions", "/v1/load_lora_adapter", "/v1/unload_lora_adapter"


class Exchange(BaseHTTPRequestHandler):
    """One request, and the means to answer it."""

    protocol_version = "HTTP/1.1"
    service: RemoteService

    def do_POST(self) -> None:
        self.close_connection = True
        self.json = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.service.note(self)
        try:
            self.service.say[self.path](self)
        except (BrokenPipeError, ConnectionResetError):
            self.service.left.set()

    def log_message(self, *_arguments: object) -> None:
        """Silent."""

    # --- answers ------------------------------------------------------------------------------------

    def begin(self, status: int = 200, kind: str = "text/event-stream") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Connection", "close")
        self.end_headers()

    def write(self, text: str | bytes) -> None:
        self.wfile.write(text if isinstance(text, bytes) else text.encode())
        self.wfile.flush()

    def tell(self, *chunks: Any) -> None:
        for chunk in chunks:
            self.write(f"data: {chunk if isinstance(chunk, str) else json.dumps(chunk)}\n\n")

    def refuse(self, status: int, body: Any) -> None:
        self.begin(status, "application/json")
        self.write(body if isinstance(body, str) else json.dumps(body))

    def wait_left(self) -> None:
        """Stay silent until the other side has closed the connection."""
        self.connection.settimeout(30)
        if self.connection.recv(1) == b"":
            self.service.left.set()


@dataclass
class RemoteService:
    """
    Attributes:
        say: what is answered, by path.
        asked: path, body and headers of each request so far.
        left: set once a client has gone before its answer was over.
    """

    url: str = ""
    say: dict[str, Callable[[Exchange], None]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, Any], dict[str, str]]] = field(default_factory=list)
    left: threading.Event = field(default_factory=threading.Event)

    def note(self, exchange: Exchange) -> None:
        self.asked.append((exchange.path, exchange.json, dict(exchange.headers)))

    @property
    def paths(self) -> list[str]:
        return [path for path, _body, _headers in self.asked]

    def bodies(self, path: str) -> list[dict[str, Any]]:
        return [body for asked, body, _headers in self.asked if asked == path]


@contextmanager
def remote_service() -> Iterator[RemoteService]:
    service = RemoteService(say={CHAT: answer_hello})
    handler = type("Handler", (Exchange,), {"service": service})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    service.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def closed_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# --- chunks -------------------------------------------------------------------------------------------


def text_chunk(text: str, **choice: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None, **choice}]}


def end_chunk(reason: str = "stop") -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}


USAGE_CHUNK = {
    "choices": [],
    "usage": {
        "prompt_tokens": 9,
        "completion_tokens": 3,
        "prompt_tokens_details": {"cached_tokens": 4},
    },
}


def answer_hello(exchange: Exchange) -> None:
    exchange.begin()
    exchange.tell(text_chunk("Hel"), text_chunk("lo."), end_chunk(), USAGE_CHUNK, "[DONE]")
