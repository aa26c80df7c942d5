"""Whether the Ollama server that a school may run answers."""

from __future__ import annotations

import logging
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from typing import Literal

from django.conf import settings

from common import strict_json

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 2
MAX_ANSWER_BYTES = 64 * 1024

State = Literal["ok", "not_configured", "unreachable"]


@dataclass(frozen=True, slots=True)
class OllamaHealth:
    status: State
    url: str | None = None
    version: str | None = None


def ollama_health() -> OllamaHealth:
    """Ask the server of OLLAMA_URL for its version."""
    url = settings.OLLAMA_URL.rstrip("/")
    if not url:
        return OllamaHealth("not_configured")
    try:
        with urllib.request.urlopen(f"{url}/api/version", timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 - the owner's setting
            version = strict_json.loads(answer.read(MAX_ANSWER_BYTES))["version"]
    except (OSError, HTTPException, ValueError, KeyError, TypeError) as error:
        logger.warning("Ollama does not answer at %s: %s", url, error)
        return OllamaHealth("unreachable", url=url)
    return OllamaHealth("ok", url=url, version=str(version))
