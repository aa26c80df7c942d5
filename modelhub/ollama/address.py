"""Where Ollama is: the setting OLLAMA_URL, read once for each request."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from django.conf import settings

from modelhub.ollama.errors import OllamaError


@dataclass(frozen=True, slots=True)
class Address:
    """The parts of OLLAMA_URL.

    Attributes:
        path: what stands before /api, for a server behind a proxy.
        authorization: header for the name and password in the address; empty without them.
    """

    is_secure: bool
    host: str
    port: int
    path: str
    authorization: str

    @property
    def public(self) -> str:
        """As it may be shown and logged: without name and password."""
        scheme, usual = ("https", 443) if self.is_secure else ("http", 80)
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == usual else f":{self.port}"
        return f"{scheme}://{host}{port}{self.path}"


def is_configured() -> bool:
    return bool(settings.OLLAMA_URL.strip())


def ollama_address() -> Address:
    """
    Raises:
        OllamaError: not_configured, or unreachable when OLLAMA_URL is no address.
    """
    text = settings.OLLAMA_URL.strip().rstrip("/")
    if not text:
        raise OllamaError("not_configured")
    if "://" not in text:
        text = f"http://{text}"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise OllamaError("unreachable", f"OLLAMA_URL: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise OllamaError("unreachable", "OLLAMA_URL is no http address")
    is_secure = parts.scheme == "https"
    return Address(
        is_secure=is_secure,
        host=parts.hostname,
        port=port or (443 if is_secure else 80),
        path=parts.path,
        authorization=_authorization(parts.username, parts.password),
    )


def _authorization(name: str | None, password: str | None) -> str:
    if not name:
        return ""
    pair = f"{unquote(name)}:{unquote(password or '')}"
    return "Basic " + base64.b64encode(pair.encode()).decode()
