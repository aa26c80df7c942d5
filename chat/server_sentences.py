"""What other servers do with what is written, and their failures, as sentences in the active language."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from modelhub.chat_servers import ENGINE, OLLAMA, backend_name, find_server
from modelhub.models import BaseModel

_FAILURES = {
    "server_unreachable": gettext_lazy(
        "The chat server “%(server)s” can not be reached. It may be switched off or starting again: "
        "send the message again in a minute, or tell your instructor."
    ),
    "server_key": gettext_lazy(
        "The chat server “%(server)s” refused the key of this installation. "
        "Ask your instructor to check the server's settings, or choose another model."
    ),
    "server_no_model": gettext_lazy(
        "The chat server “%(server)s” does not have this model. "
        "Choose another model, or ask your instructor to check the server's settings."
    ),
    "server_busy": gettext_lazy(
        "The chat server “%(server)s” has too much to do right now, or is still loading the model. "
        "Wait a minute, then send the message again."
    ),
    "server_failed": gettext_lazy(
        "The chat server “%(server)s” met an error of its own while it was answering. "
        "Send the message again; if this repeats, tell your instructor."
    ),
    "server_refused": gettext_lazy(
        "The chat server “%(server)s” did not accept the request. "
        "Choose other settings or another model, or ask your instructor: the worker's log has the reason."
    ),
    "server_settings": gettext_lazy(
        "The chat server “%(server)s” knows neither top-k nor the repetition penalty. "
        "Set top-k to 0 and the repetition penalty to 1, then send the message again."
    ),
    "server_garbled": gettext_lazy(
        "What the chat server “%(server)s” sent can not be read as an answer. "
        "Ask your instructor to check the server's address: perhaps something else answers there."
    ),
    "server_broke_off": gettext_lazy(
        "The connection to the chat server “%(server)s” broke before the answer was complete. "
        "Send the message again."
    ),
    "server_silent": gettext_lazy(
        "The chat server “%(server)s” fell silent, so its answer was given up. "
        "Send the message again later, or choose another model."
    ),
    "server_adapter": gettext_lazy(
        "The chat server “%(server)s” could not load the adapter of this job. Ask your instructor: the worker's log "
        "has the reason. The server must see the folder of the adapters, and be started for adapters of this rank."
    ),
    "server_unknown": gettext_lazy(
        "This model answers on a chat server that this worker was not told of. "
        "Ask your instructor to give all workers the same settings, or choose another model."
    ),
    "prompt_too_long": gettext_lazy(
        "The conversation and the maximum number of tokens together are more than the model on the chat server "
        "“%(server)s” can take. Start a new chat, shorten your message, or lower the maximum number of tokens."
    ),
    "not_scored": gettext_lazy(
        "The chat server “%(server)s” can not tell how likely a given answer is, so nothing was measured. "
        "Choose a model that answers on this installation's own workers."
    ),
}


def server_failure_sentence(code: str, params: dict[str, Any]) -> str:
    """What happened at another server, why, and what to do; empty for a failure that is none of a server's."""
    sentence = _FAILURES.get(code)
    if sentence is None or ("server" not in params and code != "server_unknown"):
        return ""
    return str(sentence) % {"server": params.get("server", "")}


def remote_sentence(base_model: BaseModel, *, is_tuned: bool = False) -> str:
    """Where what is written goes; empty while it stays on this installation's own workers.

    Args:
        is_tuned: whether an adapter of it answers, which may be drawn elsewhere than the base model.
    """
    name = backend_name(base_model.source, base_model.name, is_tuned=is_tuned)
    if name == ENGINE:
        return ""
    if name == OLLAMA:
        return _(
            "What you write here leaves this installation: it goes to the Ollama server at %(host)s, which answers. "
            "Write nothing private."
        ) % {"host": urlsplit(settings.OLLAMA_URL).hostname or "?"}
    server = find_server(name)
    return _(
        "What you write here leaves this installation: it goes to the chat server “%(server)s” at %(host)s, which "
        "answers. Write nothing private."
    ) % {"server": server.name if server else "?", "host": server.host if server else "?"}
