"""A stream of Ollama's /api/chat, as events of ours."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Iterator
from typing import Any

from chat.backends.base import Event
from chat.backends.calls import failure_text
from chat.backends.failures import (
    BROKE_OFF,
    BUSY,
    FAILED,
    GARBLED,
    NO_MODEL,
    ServerError,
    code_of_status,
)
from chat.backends.openai_failures import PROMPT_TOO_LONG
from chat.backends.openai_stream import MAX_ANSWER_CHARACTERS
from common.remote import Answer
from modelhub.chat_servers import OLLAMA
from modelhub.ollama.values import plain_text, whole_number

THINKING_UNKNOWN = "thinking_unknown"
"""Of a model that can not think and does not like to be told not to; never told to anybody."""
MOST_TOKENS = 10**8
_NANOSECONDS = 1e9
_CONTEXT_WORDS = ("exceeds the context", "context length", "context window", "context size")


class OllamaAnswer:
    """What Ollama has told of one answer so far.

    What a model thinks before it answers comes in a field of its own, and is no part of the answer.

    Args:
        begun_at: time.monotonic() when it was asked for.
        dropped_turns: that it was not told of.
    """

    def __init__(self, begun_at: float, dropped_turns: int) -> None:
        self._begun_at = begun_at
        self._dropped_turns = dropped_turns
        self._first_token_seconds = 0.0
        self._characters = 0

    def follow(self, lines: Iterable[bytes]) -> Iterator[Event]:
        """Its events, the last one `finished`.

        Raises:
            ServerError: Ollama told of a failure, sent something else, or stopped before the end.
        """
        for line in lines:
            if not line.strip():
                continue
            told = _read_object(line)
            if told.get("error"):
                raise self._failure(plain_text(told["error"]))
            if event := self._take(told):
                yield event
            if told.get("done") is True:
                yield self._finished(told)
                return
        raise ServerError(BROKE_OFF, "no end")

    def _failure(self, said: str) -> ServerError:
        # What was told in part can not be asked for once more, whatever would mend it.
        return ServerError(FAILED, said) if self._characters else told_failure(said)

    def _take(self, told: dict[str, Any]) -> Event | None:
        message = told.get("message")
        text = plain_text(message.get("content")) if isinstance(message, dict) else ""
        self._characters += len(text)
        if self._characters > MAX_ANSWER_CHARACTERS:
            raise ServerError(GARBLED, f"an answer of more than {MAX_ANSWER_CHARACTERS} characters")
        if not text:
            return None
        if not self._first_token_seconds:
            self._first_token_seconds = time.monotonic() - self._begun_at
        logprobs = _tokens(told.get("logprobs"))
        event: Event = {"type": "text", "text": text}
        return event | {"logprobs": logprobs} if logprobs else event

    def _finished(self, told: dict[str, Any]) -> Event:
        seconds = max(time.monotonic() - self._begun_at, 1e-9)
        count = whole_number(told.get("eval_count"), most=MOST_TOKENS)
        # Ollama leaves its waiting and loading out of this, as the engine does.
        drawing_seconds = whole_number(told.get("eval_duration")) / _NANOSECONDS or seconds
        return {
            "type": "finished",
            "finish_reason": "length" if told.get("done_reason") == "length" else "stop",
            "usage": {
                "prompt_tokens": whole_number(told.get("prompt_eval_count"), most=MOST_TOKENS),
                "completion_tokens": count,
                "dropped_turns": self._dropped_turns,
                "cached_tokens": 0,
            },
            "timings": {
                "first_token_seconds": self._first_token_seconds,
                "duration_seconds": seconds,
                "tokens_per_second": count / drawing_seconds,
                "path": "remote",
                "precision": "",
                "backend": OLLAMA,
            },
        }


def refusal(answer: Answer) -> ServerError:
    """Of an HTTP answer that is no success."""
    body = failure_text(answer)
    try:
        said = plain_text(json.loads(body)["error"])
    except (ValueError, RecursionError, KeyError, TypeError):
        said = ""
    detail = f"{answer.status} {said or body}"
    if answer.status >= 400 and _is_context(said):
        return ServerError(PROMPT_TOO_LONG, detail, status=answer.status)
    if "does not support thinking" in said:
        return ServerError(THINKING_UNKNOWN, detail, status=answer.status)
    code = code_of_status(answer.status)
    # A page that is not found is another server's; of a missing model Ollama speaks.
    return ServerError(
        GARBLED if code == NO_MODEL and not said else code, detail, status=answer.status
    )


def told_failure(said: str) -> ServerError:
    """Of a failure that was told within a stream."""
    if _is_context(said):
        return ServerError(PROMPT_TOO_LONG, said)
    return ServerError(BUSY if "busy" in said.lower() else FAILED, said)


def _is_context(said: str) -> bool:
    return any(words in said.lower() for words in _CONTEXT_WORDS)


def _read_object(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ServerError(GARBLED, f"{error}: {line[:80]!r}") from error
    if not isinstance(value, dict):
        raise ServerError(GARBLED, f"no object: {line[:80]!r}")
    return value


def _tokens(told: Any) -> list[dict[str, Any]]:
    """Probabilities of the drawn tokens; none from a server that does not tell them as it should."""
    try:
        return [
            _probability(entry) | {"top": [_probability(top) for top in entry["top_logprobs"]]}
            for entry in told or ()
        ]
    except (KeyError, TypeError, ValueError):
        return []


def _probability(entry: dict[str, Any]) -> dict[str, Any]:
    logprob = float(entry["logprob"])
    if not math.isfinite(logprob):
        raise ValueError("a probability that is none")
    return {"token": plain_text(entry["token"]), "logprob": logprob}
