"""What answers replies: this host's engine, Ollama, and the servers that LLMLORA_CHAT_SERVERS names.

modelhub.chat_servers says which of them a reply belongs to; here each of them is made at its first use, once.
"""

from __future__ import annotations

import threading

from chat.backends.base import Backend, Stream
from chat.backends.engine import EngineBackend
from chat.backends.failures import failed_event
from chat.backends.ollama import OllamaBackend
from chat.backends.openai import OpenAiBackend
from chat.backends.streams import EndedStream
from chat.models import Reply
from chat.queueing import backend_of
from modelhub.chat_servers import ENGINE, OLLAMA, UNKNOWN, ChatServer, find_server

__all__ = ["backend_for", "close_backends"]

_lock = threading.Lock()
_backends: dict[str | ChatServer, Backend] = {}


class UnknownBackend:
    """Stands where a server is that another process was told of, or this one in its last life."""

    name = UNKNOWN

    def submit(self, reply: Reply, work_id: str) -> Stream:
        return EndedStream(failed_event("server_unknown"))

    def close(self) -> None:
        """Nothing is ever under way."""


def backend_for(reply: Reply) -> Backend:
    """Where the reply is drawn; of one that was read with its answerer and base model."""
    name = backend_of(reply)
    server = find_server(name)
    with _lock:
        if (server or name) not in _backends:
            _backends[server or name] = _make(name, server)
        return _backends[server or name]


def close_backends() -> None:
    """End what is under way at all of them."""
    with _lock:
        backends = list(_backends.values())
        _backends.clear()
    for backend in backends:
        backend.close()


def _make(name: str, server: ChatServer | None) -> Backend:
    if server is not None:
        return OpenAiBackend(server)
    if name == ENGINE:
        return EngineBackend()
    return OllamaBackend() if name == OLLAMA else UnknownBackend()
