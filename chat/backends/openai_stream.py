"""A stream of the chat completions protocol, as events of ours."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Iterator
from typing import Any

from chat.backends.base import Event
from chat.backends.failures import BROKE_OFF, ServerError
from chat.backends.openai_failures import garbled, told_failure
from common.remote import MAX_LINE_BYTES

DONE = b"[DONE]"
MAX_ANSWER_CHARACTERS = 1024 * 1024
"""The longest answer of the longest tokens is shorter."""
MOST_TOKENS = 10**8
FINISH_REASONS = {"length": "length", "max_tokens": "length"}
"""Every other reason is an end that the model or the server chose."""


def server_sent_data(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The data of each event; comments and other fields are passed over."""
    parts: list[bytes] = []
    size = 0
    for line in lines:
        if line.startswith(b"data:"):
            parts.append(line[5:].removeprefix(b" "))
            size += len(line)
            if size > MAX_LINE_BYTES:
                raise garbled(f"an event of more than {MAX_LINE_BYTES} bytes")
        elif not line and parts:
            yield b"\n".join(parts)
            parts, size = [], 0
    if parts:
        yield b"\n".join(parts)


class DrawnAnswer:
    """What a server has told of one answer so far.

    Args:
        backend: for the timings.
        begun_at: time.monotonic() when it was asked for.
    """

    def __init__(self, backend: str, begun_at: float) -> None:
        self._backend = backend
        self._begun_at = begun_at
        self._first_token_seconds = 0.0
        self._characters = 0
        self._finish_reason = ""
        self._usage = {"prompt_tokens": 0, "completion_tokens": 0, "cached_tokens": 0}

    def follow(self, lines: Iterable[bytes]) -> Iterator[Event]:
        """Its events, the last one `finished`.

        Raises:
            ServerError: the server told of a failure, sent something else, or stopped before the end.
        """
        has_data = False
        for data in server_sent_data(lines):
            has_data = True
            if data.strip() == DONE:
                yield self._finished()
                return
            if event := self._take(_read_chunk(data)):
                yield event
        if self._finish_reason:
            yield self._finished()
            return
        raise ServerError(BROKE_OFF, "no end") if has_data else garbled("no event at all")

    def _take(self, chunk: dict[str, Any]) -> Event | None:
        """What a chunk adds to the text; nothing for one that only brings facts."""
        try:
            if chunk.get("error"):
                raise told_failure(chunk["error"])
            if usage := chunk.get("usage"):
                self._take_usage(usage)
            choices = chunk.get("choices") or []
            return self._take_choice(choices[0]) if choices else None
        except (AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
            raise garbled(f"a chunk of another shape: {error!r}") from error

    def _take_choice(self, choice: dict[str, Any]) -> Event | None:
        if reason := choice.get("finish_reason"):
            self._finish_reason = FINISH_REASONS.get(str(reason), "stop")
        text = _storable((choice.get("delta") or {}).get("content") or "")
        logprobs = [_token(entry) for entry in (choice.get("logprobs") or {}).get("content") or ()]
        self._characters += len(text)
        if self._characters > MAX_ANSWER_CHARACTERS:
            raise garbled(f"an answer of more than {MAX_ANSWER_CHARACTERS} characters")
        if not text and not logprobs:
            return None
        if not self._first_token_seconds:
            self._first_token_seconds = time.monotonic() - self._begun_at
        event: Event = {"type": "text", "text": text}
        return event | {"logprobs": logprobs} if logprobs else event

    def _take_usage(self, usage: dict[str, Any]) -> None:
        details = usage.get("prompt_tokens_details") or {}
        self._usage = {
            "prompt_tokens": _count(usage.get("prompt_tokens")),
            "completion_tokens": _count(usage.get("completion_tokens")),
            "cached_tokens": _count(details.get("cached_tokens")),
        }

    def _finished(self) -> Event:
        seconds = max(time.monotonic() - self._begun_at, 1e-9)
        return {
            "type": "finished",
            "finish_reason": self._finish_reason or "stop",
            # Which turns a server leaves out, if any, it does not tell; those that we know of refuse instead.
            "usage": {**self._usage, "dropped_turns": 0},
            "timings": {
                "first_token_seconds": self._first_token_seconds,
                "duration_seconds": seconds,
                "tokens_per_second": self._usage["completion_tokens"] / seconds,
                "path": "remote",
                "precision": "",
                "backend": self._backend,
            },
        }


def _read_chunk(data: bytes) -> dict[str, Any]:
    try:
        chunk = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise garbled(f"{error}: {data[:80]!r}") from error
    if not isinstance(chunk, dict):
        raise garbled(f"no object: {data[:80]!r}")
    return chunk


def _token(entry: dict[str, Any]) -> dict[str, Any]:
    return _probability(entry) | {"top": [_probability(top) for top in entry["top_logprobs"]]}


def _probability(entry: dict[str, Any]) -> dict[str, Any]:
    logprob = float(entry["logprob"])
    # Servers write what is impossible as a large number of their own, or as infinity, which JSON does not have.
    is_number = math.isfinite(logprob)
    return {"token": _storable(entry["token"]), "logprob": logprob if is_number else -9999.0}


def _storable(text: str) -> str:
    """The text without halves of characters; they can not be stored."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _count(value: Any) -> int:
    return value if isinstance(value, int) and 0 <= value <= MOST_TOKENS else 0
