"""Other servers that answer chats, as LLMLORA_CHAT_SERVERS names them, and which model answers where.

The setting is a JSON list. Each server speaks the protocol of OpenAI's chat completions:

    [{"name": "gpu", "url": "http://gpu.school.example:8001/v1", "api_key_env": "GPU_KEY",
      "models": {"our name of the base model": "the server's name of it"},
      "adapters": "vllm", "adapter_path": "/mnt/llmlora/media"}]

Read while the settings are, so nothing here needs a model.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

ENGINE, OLLAMA, UNKNOWN = "engine", "ollama", "unknown"
"""Back ends that no setting names: this host's engine, Ollama, and a server that this process was not told of."""

OLLAMA_SOURCE, SERVER_SOURCE = "ollama", "server"
"""Values of BaseModel.Source."""

ADAPTER_PROTOCOLS = ("vllm", "none")
MAX_NAME_CHARACTERS = 40
MAX_MODEL_CHARACTERS = 200

_NEEDED, _KNOWN = (
    {"name", "url", "models"},
    {"name", "url", "models", "api_key_env", "adapters", "adapter_path"},
)


@dataclass(frozen=True, slots=True)
class ChatServer:
    """One server.

    Attributes:
        name: how people and timings call it.
        url: everything before `/chat/completions`.
        api_key_env: the environment variable that holds its key; empty where it needs none.
        models: our names of base models, and the server's own names of them.
        takes_adapters: whether it loads adapters while it runs, as vLLM does.
        adapter_path: the folder under which it sees our storage.
    """

    name: str
    url: str
    api_key_env: str = ""
    models: dict[str, str] = field(default_factory=dict, hash=False)
    takes_adapters: bool = False
    adapter_path: str = ""

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""


def read_chat_servers(text: str, *, storage_path: str = "") -> tuple[ChatServer, ...]:
    """The servers of the setting; none of an empty one.

    Args:
        storage_path: the folder of our storage, where a server on the same host sees it.

    Raises:
        ImproperlyConfigured: something in it can not be used.
    """
    if not text.strip():
        return ()
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _fault(f"is not JSON: {error}.") from error
    if not isinstance(entries, list):
        raise _fault('must be a JSON list, for example [{"name": "gpu", "url": …, "models": …}].')
    servers = tuple(
        _read_server(entry, f"entry {number}", storage_path)
        for number, entry in enumerate(entries, start=1)
    )
    _refuse_twice((server.name for server in servers), "two servers are named")
    _refuse_twice((name for server in servers for name in server.models), "two servers offer")
    return servers


def chat_servers() -> tuple[ChatServer, ...]:
    """Those that this process was told of."""
    servers: tuple[ChatServer, ...] = settings.CHAT_SERVERS
    return servers


def find_server(name: str) -> ChatServer | None:
    """The server of that name."""
    return next((server for server in chat_servers() if server.name == name), None)


def server_of_model(base_model_name: str) -> ChatServer | None:
    """The server that answers for that base model."""
    return next((server for server in chat_servers() if base_model_name in server.models), None)


def backend_name(
    source: str, base_model_name: str, *, is_tuned: bool, is_scored: bool = False
) -> str:
    """Where a model's replies are drawn: a server's name, or one of the constants above.

    Args:
        source: of the base model.
        is_tuned: whether an adapter answers, which only some servers can load.
        is_scored: whether the loss of a given answer is asked for, which no server tells.
    """
    if source == OLLAMA_SOURCE:
        return OLLAMA
    server = server_of_model(base_model_name)
    if source == SERVER_SOURCE:
        return server.name if server else UNKNOWN
    if server is None or is_scored or (is_tuned and not server.takes_adapters):
        return ENGINE
    return server.name


def remote_backend_names() -> list[str]:
    """Of every back end but this host's engine."""
    return [OLLAMA, UNKNOWN, *(server.name for server in chat_servers())]


# --- reading ------------------------------------------------------------------------------------------


def _read_server(entry: Any, where: str, storage_path: str) -> ChatServer:
    if not isinstance(entry, dict):
        raise _fault(f"{where} must be an object with name, url and models.")
    if missing := _NEEDED - entry.keys():
        raise _fault(f"{where} lacks {', '.join(sorted(missing))}.")
    if unknown := entry.keys() - _KNOWN:
        known = ", ".join(sorted(_KNOWN))
        raise _fault(f"{where} has the unknown key {min(unknown)[:40]!r}. It may have {known}.")
    adapters = entry.get("adapters", "none")
    if adapters not in ADAPTER_PROTOCOLS:
        raise _fault(f'adapters of {where} must be "vllm" or "none".')
    takes_adapters = adapters == "vllm"
    return ChatServer(
        name=_read_name(entry["name"], where),
        url=_read_url(entry["url"], where),
        api_key_env=_read_variable(entry.get("api_key_env", ""), where),
        models=_read_models(entry["models"], where),
        takes_adapters=takes_adapters,
        adapter_path=_read_path(entry.get("adapter_path", storage_path), where)
        if takes_adapters
        else "",
    )


def _read_name(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > MAX_NAME_CHARACTERS:
        raise _fault(f"name of {where} must be a text of 1 to {MAX_NAME_CHARACTERS} characters.")
    if value.strip().lower() in (ENGINE, OLLAMA, UNKNOWN):
        raise _fault(f"name of {where} is taken. Choose another one.")
    return value.strip()


def _read_url(value: Any, where: str) -> str:
    try:
        parts = urlsplit(value if isinstance(value, str) else "")
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable or not value.isascii() or any(sign.isspace() for sign in value):
        raise _fault(f"url of {where} must be an address like http://gpu.school.example:8001/v1.")
    if parts.query or parts.fragment:
        raise _fault(f"url of {where} must end with its path, without ? or #.")
    if parts.username is not None:
        # It would stand in every log line that names the address.
        raise _fault(f"url of {where} holds a name or a password. Put the key into api_key_env.")
    return str(value).rstrip("/")


def _read_variable(value: Any, where: str) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"([A-Za-z_][A-Za-z0-9_]*)?", value):
        raise _fault(
            f"api_key_env of {where} must be the name of an environment variable, not the key itself."
        )
    return value


def _read_models(value: Any, where: str) -> dict[str, str]:
    is_usable = (
        isinstance(value, dict)
        and bool(value)
        and all(
            isinstance(text, str) and 0 < len(text.strip()) <= MAX_MODEL_CHARACTERS
            for pair in value.items()
            for text in pair
        )
    )
    if not is_usable:
        raise _fault(
            f"models of {where} must be an object that gives the server's name for each of our names."
        )
    return {name.strip(): theirs for name, theirs in value.items()}


def _read_path(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.startswith("/"):
        raise _fault(
            f"adapter_path of {where} must be an absolute path: the folder under which the server sees our storage."
        )
    return value.rstrip("/")


def _refuse_twice(names: Iterable[str], words: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise _fault(f"{words} {name!r}. Keep one of them.")
        seen.add(name)


def _fault(words: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"LLMLORA_CHAT_SERVERS: {words}")
