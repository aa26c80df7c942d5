"""The keys of chat servers, read from the environment of whoever asks."""

from __future__ import annotations

import os
import re

from modelhub.chat_servers import ChatServer


class KeyUnusableError(Exception):
    """The environment holds no key that can be sent; its text is for the log."""


def authorization_of(server: ChatServer) -> str:
    """The header that it wants, empty where it needs none; read each time, so that the key can be changed.

    Raises:
        KeyUnusableError: the variable is not set, or holds what no header may.
    """
    name = server.api_key_env
    key = os.environ.get(name, "").strip() if name else ""
    if name and not key:
        raise KeyUnusableError(f"the environment variable {name} is not set")
    if not re.fullmatch(r"[!-~]*", key):
        raise KeyUnusableError(f"{name} holds a character that no key may have")
    return f"Bearer {key}" if key else ""
