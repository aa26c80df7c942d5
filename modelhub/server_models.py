"""Base models that only other servers have: rows that follow LLMLORA_CHAT_SERVERS."""

from __future__ import annotations

import logging

from modelhub.chat_servers import chat_servers
from modelhub.models import BaseModel
from modelhub.trouble import note_trouble

logger = logging.getLogger(__name__)


def sync_server_models() -> None:
    """Within a transaction: one row per model of a server that is not on this host; others are disabled.

    A name that a model of this host or of Ollama has stays that model's: a server then answers its chats, or some
    of them, and it can be tuned as before.
    """
    names = {name for server in chat_servers() for name in server.models}
    taken = BaseModel.objects.filter(name__in=names).exclude(source=BaseModel.Source.SERVER)
    own = names - set(taken.values_list("name", flat=True))
    for name in sorted(own):
        BaseModel.objects.update_or_create(
            name=name,
            # Nothing is known of its size; what its context holds the server says when it is too little.
            defaults={"source": BaseModel.Source.SERVER, "context_length": 0, "is_enabled": True},
        )
    for row in taken.filter(source=BaseModel.Source.OLLAMA):
        logger.warning("%s is a model of Ollama, and no chat server answers for it", row.name)
    elsewhere = BaseModel.objects.exclude(source=BaseModel.Source.OLLAMA).exclude(name__in=names)
    note_trouble(elsewhere, "")
    gone = BaseModel.objects.filter(source=BaseModel.Source.SERVER).exclude(name__in=own)
    gone.update(is_enabled=False)
