"""A small HTTP server that speaks Ollama's wire format.

It stands for the remote service: Ollama itself, with models of gigabytes and its library on the internet, can not be
had where these tests run. The formats are those of Ollama's published description of its API.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

VERSION = "0.34.1"
WAIT_SECONDS = 20
"""Nothing here takes so long; a test that waits in vain ends."""


class Exchange:
    """One request, and the means to answer it bit by bit."""

    def __init__(self, handler: BaseHTTPRequestHandler, body: Any) -> None:
        self._handler = handler
        self.path = handler.path
        self.headers = handler.headers
        self.body = body

    def whole(self, value: Any, status: int = 200, kind: str = "application/json") -> None:
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        self._handler.send_response(status)
        self._handler.send_header("Content-Type", kind)
        self._handler.send_header("Content-Length", str(len(data)))
        self._handler.end_headers()
        self._handler.wfile.write(data)

    def begin(self) -> None:
        """What follows is a stream."""
        self._handler.send_response(200)
        self._handler.send_header("Content-Type", "application/x-ndjson")
        self._handler.send_header("Transfer-Encoding", "chunked")
        self._handler.end_headers()

    def line(self, value: Any) -> None:
        self.raw(json.dumps(value).encode() + b"\n")

    def raw(self, data: bytes) -> None:
        self._handler.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def end(self) -> None:
        self._handler.wfile.write(b"0\r\n\r\n")

    def break_off(self) -> None:
        """As a server does that dies."""
        self._handler.close_connection = True
        self._handler.connection.shutdown(socket.SHUT_RDWR)

    def wait_hung_up(self) -> bool:
        """Whether the client closes the connection."""
        self._handler.connection.settimeout(WAIT_SECONDS)
        try:
            return self._handler.connection.recv(1) == b""
        except ConnectionError:
            return True
        except TimeoutError:
            return False


Respond = Callable[[Exchange], None]


class OllamaServer:
    """
    Attributes:
        models: by name, what the list tells of each.
        shows: by name, what is told of one model alone.
        library: what can be pulled: the layers of each model with their sizes.
        respond: by path, what a test wants to happen instead.
        requests: path and body of each request.
    """

    def __init__(self) -> None:
        self.models: dict[str, dict[str, Any]] = {}
        self.shows: dict[str, dict[str, Any]] = {}
        self.library: dict[str, list[int]] = {}
        self.respond: dict[str, Respond] = {}
        self.requests: list[tuple[str, Any]] = []
        self.reply = ["Class", " 3B", "."]
        self._usual: dict[str, Respond] = {
            "/api/version": lambda exchange: exchange.whole({"version": VERSION}),
            "/api/tags": lambda exchange: exchange.whole({"models": list(self.models.values())}),
            "/api/show": self._show,
            "/api/pull": self._pull,
            "/api/chat": self._chat,
        }

    def add_model(self, name: str, **told: Any) -> None:
        """A model on its disk; `told` goes into what is told of it alone."""
        self.models[name] = {
            "name": name,
            "model": name,
            "modified_at": "2026-11-04T14:56:49.277302595+09:00",
            "size": 1_321_098_329,
            "digest": f"{len(self.models):02d}" + "a" * 62,
            "details": {"format": "gguf", "family": "llama", "parameter_size": "1.2B"},
        }
        self.shows[name] = {
            "license": "Apache License\n   Version 2.0, January 2004\n",
            "parameters": 'stop                           "<|eot_id|>"',
            "details": {"format": "gguf", "family": "llama", "parameter_size": "1.2B"},
            "model_info": {
                "general.architecture": "llama",
                "general.parameter_count": 1_235_814_432,
                "llama.block_count": 16,
                "llama.context_length": 131_072,
            },
            "capabilities": ["completion", "tools"],
        } | told

    def answer(self, exchange: Exchange) -> None:
        self.requests.append((exchange.path, exchange.body))
        respond = self.respond.get(exchange.path) or self._usual.get(exchange.path)
        if respond is None:
            exchange.whole(b"404 page not found", 404, "text/plain")
        else:
            respond(exchange)

    def bodies(self, path: str) -> list[Any]:
        return [body for requested, body in self.requests if requested == path]

    def _show(self, exchange: Exchange) -> None:
        name = exchange.body["model"]
        if name in self.shows:
            exchange.whole(self.shows[name])
        else:
            exchange.whole({"error": f"model '{name}' not found"}, 404)

    def _pull(self, exchange: Exchange) -> None:
        name = exchange.body["model"]
        exchange.begin()
        exchange.line({"status": "pulling manifest"})
        if name not in self.library:
            exchange.line({"error": "pull model manifest: file does not exist"})
            exchange.end()
            return
        for number, size in enumerate(self.library[name]):
            for completed in (0, size // 2, size):
                layer = {"status": f"pulling {number:012x}", "digest": f"sha256:{number:064x}"}
                exchange.line(
                    layer | {"total": size} | ({"completed": completed} if completed else {})
                )
        for status in ("verifying sha256 digest", "writing manifest"):
            exchange.line({"status": status})
        self.add_model(name)
        exchange.line({"status": "success"})
        exchange.end()

    def _chat(self, exchange: Exchange) -> None:
        if exchange.body["model"] not in self.models:
            exchange.whole({"error": f"model '{exchange.body['model']}' not found"}, 404)
            return
        exchange.begin()
        for piece in self.reply:
            exchange.line(chat_line(piece))
        exchange.line(last_chat_line())
        exchange.end()


def chat_line(content: str, **fields: Any) -> dict[str, Any]:
    return {
        "model": "tiny:latest",
        "created_at": "2026-11-04T14:56:49.277302595Z",
        "message": {"role": "assistant", "content": content} | fields.pop("message", {}),
        "done": False,
    } | fields


def last_chat_line(**fields: Any) -> dict[str, Any]:
    """With durations in nanoseconds, as Ollama tells them."""
    return (
        chat_line("")
        | {
            "done": True,
            "done_reason": "stop",
            "total_duration": 1_500_000_000,
            "load_duration": 200_000_000,
            "prompt_eval_count": 21,
            "prompt_eval_duration": 300_000_000,
            "eval_count": 12,
            "eval_duration": 800_000_000,
        }
        | fields
    )


@contextmanager
def running_ollama() -> Iterator[tuple[OllamaServer, str]]:
    """A server, and its address."""
    ollama = OllamaServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            try:
                ollama.answer(Exchange(self, body))
            except ConnectionError:
                self.close_connection = True

        do_GET = do_POST = _answer  # noqa: N815 - the library's names

        def log_message(self, format: str, *args: Any) -> None:
            """Tests stay quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
    ).start()
    try:
        yield ollama, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
