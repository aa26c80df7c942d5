"""Whether the chat servers answer: a worker asks them now and then, because only workers need to reach them."""

from __future__ import annotations

import logging
import time

from common.remote import Call, Patience, RemoteError
from modelhub.chat_servers import ChatServer, chat_servers
from modelhub.models import BaseModel
from modelhub.server_keys import KeyUnusableError, authorization_of
from modelhub.trouble import note_trouble

logger = logging.getLogger(__name__)

LOOK_SECONDS = 60.0
"""So old what is known of a server may be."""
ANSWER_SECONDS = 5.0

_looked_at = float("-inf")


def look_after_chat_servers() -> None:
    """Look at all of them when it is time; for a worker's patrol."""
    global _looked_at
    if chat_servers() and time.monotonic() - _looked_at >= LOOK_SECONDS:
        _looked_at = time.monotonic()
        look_at_chat_servers()


def look_at_chat_servers() -> None:
    """Note of each whether it answers, with the models that it answers for."""
    for server in chat_servers():
        rows = BaseModel.objects.filter(name__in=server.models)
        note_trouble(rows.exclude(source=BaseModel.Source.OLLAMA), _trouble_of(server))


def _trouble_of(server: ChatServer) -> str:
    call = Call(Patience(ANSWER_SECONDS))
    try:
        key = authorization_of(server)
        with call.ask("GET", f"{server.url}/models", authorization=key) as answer:
            status = answer.status
    except KeyUnusableError as error:
        logger.warning("chat server %s not asked: %s", server.name, error)
        return BaseModel.Trouble.KEY
    except RemoteError as error:
        logger.warning("chat server %s does not answer: %s", server.name, error)
        return BaseModel.Trouble.AWAY
    if status in (401, 403):
        return BaseModel.Trouble.KEY
    # A server without this request is there all the same; one that is loading answers with 503.
    return BaseModel.Trouble.AWAY if status >= 500 else ""
