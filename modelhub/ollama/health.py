"""Whether Ollama answers."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Literal

from modelhub.ollama.address import ollama_address
from modelhub.ollama.errors import OllamaError
from modelhub.ollama.values import plain_text
from modelhub.ollama.wire import fetch

logger = logging.getLogger(__name__)

SECONDS = 2.0
MAX_VERSION_CHARACTERS = 40

State = Literal["ok", "not_configured", "unreachable"]


@dataclass(frozen=True, slots=True)
class OllamaHealth:
    status: State
    url: str | None = None
    version: str | None = None


def ollama_health() -> OllamaHealth:
    """Ask the server of OLLAMA_URL for its version."""
    url = None
    try:
        url = ollama_address().public
        version = plain_text(fetch("GET", "/api/version", seconds=SECONDS).get("version"))
        if not version:
            raise OllamaError("not_ollama", "it tells no version")
    except OllamaError as error:
        if error.reason == "not_configured":
            return OllamaHealth("not_configured")
        logger.warning("Ollama does not answer at %s: %s", url or "OLLAMA_URL", error)
        return OllamaHealth("unreachable", url=url)
    return OllamaHealth("ok", url=url, version=version[:MAX_VERSION_CHARACTERS])
