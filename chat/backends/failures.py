"""What can go wrong with another server, each with the code that chat.server_sentences has words for."""

from __future__ import annotations

from typing import Any

UNREACHABLE = "server_unreachable"
KEY_REFUSED = "server_key"
NO_MODEL = "server_no_model"
BUSY = "server_busy"
FAILED = "server_failed"
REFUSED = "server_refused"
GARBLED = "server_garbled"
BROKE_OFF = "server_broke_off"
SILENT = "server_silent"


class ServerError(Exception):
    """An answer that will not come, and why.

    Attributes:
        code: one of the constants above, or one that a back end has of its own.
        status: of the HTTP answer; 0 where none came.
        detail: for the log only: what the server said, of any length.
    """

    def __init__(self, code: str, detail: str = "", *, status: int = 0, **params: Any) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail
        self.status = status
        self.params = params


def failed_event(code: str, detail: str = "", **params: Any) -> dict[str, Any]:
    return {"type": "failed", "code": code, "params": params, "detail": detail}


def code_of_status(status: int) -> str:
    """What an HTTP status says when nothing better is known."""
    match status:
        case 401 | 403:
            return KEY_REFUSED
        case 404:
            return NO_MODEL
        case 429 | 503:
            return BUSY
    if status >= 500:
        return FAILED
    # A redirect, or success without an answer, comes from something else than such a server.
    return REFUSED if status >= 400 else GARBLED
