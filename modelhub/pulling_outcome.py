"""What Ollama says when a pull fails, as codes that have a sentence."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from modelhub.ollama.errors import OllamaError

MAX_WORDS_CHARACTERS = 200

_KNOWN_WORDS = (
    ("unknown_model", re.compile(r"file does not exist|not found|manifest unknown", re.IGNORECASE)),
    ("disk_full", re.compile(r"no space left|not enough (disk )?space|disk quota", re.IGNORECASE)),
    ("ollama_too_old", re.compile(r"newer version of ollama|\b412\b", re.IGNORECASE)),
    (
        "not_allowed",
        re.compile(r"unauthori[sz]ed|forbidden|access denied|\b40[13]\b", re.IGNORECASE),
    ),
    (
        "library_away",
        re.compile(
            r"dial tcp|no such host|lookup |timeout|timed out|deadline|connection re|network is|tls|"
            r"max retries|unexpected eof|\b50[0234]\b",
            re.IGNORECASE,
        ),
    ),
)
TRIED_AGAIN = frozenset({"cut_off", "silent", "library_away", "busy"})
"""Failures that a second try may not meet; it goes on where the first one was."""


@dataclass(frozen=True, slots=True)
class PullFailure:
    """Why a pull failed; code and params make the sentence."""

    code: str
    params: dict[str, Any] = field(default_factory=dict)


def failure_of(error: OllamaError) -> PullFailure:
    if error.reason in ("server_error", "refused", "unknown_model"):
        for code, words in _KNOWN_WORDS:
            if words.search(error.detail):
                return PullFailure(code)
        return PullFailure("refused", {"words": error.detail[:MAX_WORDS_CHARACTERS]})
    return PullFailure("not_ollama" if error.reason == "line_too_long" else error.reason)
