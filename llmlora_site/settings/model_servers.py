"""Other servers that answer chats, when a school runs them."""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured

from llmlora_site.settings.environment import env
from llmlora_site.settings.files import MEDIA_ROOT
from modelhub.chat_servers import read_chat_servers

# Web server and workers read the same list; docs/chat.md has its keys.
CHAT_SERVERS = read_chat_servers(
    env.str("LLMLORA_CHAT_SERVERS", default=""), storage_path=str(MEDIA_ROOT)
)
# Replies that one worker asks of one such server at once: it has a queue of its own, and a slow one fills no other's.
CHAT_SERVER_SLOTS = env.int("LLMLORA_CHAT_SERVER_SLOTS", default=32)
# A server that loads a large model first is silent for long; one that is gone must not keep its readers for ever.
CHAT_SERVER_SILENCE_SECONDS = env.float("LLMLORA_CHAT_SERVER_SILENCE_SECONDS", default=120)
if CHAT_SERVER_SLOTS < 1 or not 0 < CHAT_SERVER_SILENCE_SECONDS <= 3600:
    raise ImproperlyConfigured(
        "LLMLORA_CHAT_SERVER_SLOTS must be 1 or more, and LLMLORA_CHAT_SERVER_SILENCE_SECONDS more than 0 and at "
        "most 3600; otherwise no chat server would ever answer."
    )

OLLAMA_URL = env.str("OLLAMA_URL", default="")
