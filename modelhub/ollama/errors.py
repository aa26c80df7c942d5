"""OllamaError: why Ollama did not do what it was asked for."""

from __future__ import annotations

from typing import Literal

Reason = Literal[
    "not_configured",
    "unreachable",
    "not_allowed",
    "unknown_model",
    "busy",
    "refused",
    "server_error",
    "not_ollama",
    "line_too_long",
    "cut_off",
    "silent",
]


class OllamaError(Exception):
    """A request that did not come to its end.

    Attributes:
        reason: not_configured: OLLAMA_URL is empty. unreachable: no connection. not_allowed: it wants a sign-in or
            forbids this. unknown_model: it has no such model. busy: it takes no more requests at the moment. refused:
            it does not accept the request. server_error: it failed. not_ollama: what answers speaks another language.
            line_too_long: it said more at once than we read. cut_off: the connection ended too early. silent: nothing
            came for too long.
        detail: its own words, for the log.
    """

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail
