"""Names of models as Ollama has them: host/namespace/model:tag, where only the model must be said.

Models come from the two libraries that people know. A name with another host would let whoever pulls make Ollama's
machine speak to any address of its network.
"""

from __future__ import annotations

import re

MAX_CHARACTERS = 190
"""Room for the prefix of a name that another source has as well."""
HOSTS = ("registry.ollama.ai", "ollama.com", "hf.co", "huggingface.co")
DEFAULT_TAG = "latest"

_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}")
_NAMESPACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,79}")
_MOST_PARTS = 3


def full_name(text: str) -> str | None:
    """The name with its tag; None when Ollama could have no such model, or one of a library we do not know."""
    name, colon, tag = text.strip().rpartition(":")
    if not colon:
        name, tag = tag, DEFAULT_TAG
    *before, model = name.split("/")
    has_host = len(before) == _MOST_PARTS - 1
    if has_host and before[0] not in HOSTS:
        return None
    namespaces = before[1:] if has_host else before
    is_whole = (
        len(before) < _MOST_PARTS
        and _PART.fullmatch(model)
        and _PART.fullmatch(tag)
        and all(_NAMESPACE.fullmatch(part) for part in namespaces)
    )
    full = f"{name}:{tag}"
    return full if is_whole and len(full) <= MAX_CHARACTERS else None
