"""A reply in the protocol's words: whole, or as the chunks of a stream."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from chat.models import Reply
from chat.openai_api.reading import Order

DIGEST_CHARACTERS = 12


class Answer:
    """Words one reply.

    Args:
        reply: with its answerer, base model, job and adapter.
        model: the name that the program used.
    """

    def __init__(self, reply: Reply, *, model: str, order: Order) -> None:
        self._reply = reply
        self._order = order
        self._head = {
            "id": f"chatcmpl-{reply.pk}",
            "created": int(reply.created_at.timestamp()),
            "model": model,
            "system_fingerprint": _fingerprint(reply),
        }

    def whole(self, reply: Reply) -> dict[str, Any]:
        """The completion, once the reply is completed."""
        logprobs = None
        if self._order.top_logprobs is not None:
            logprobs = {"content": self._tokens(reply.logprobs or [])}
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": reply.text, "refusal": None},
            "logprobs": logprobs,
            "finish_reason": reply.finish_reason,
        }
        return self._head | {
            "object": "chat.completion",
            "choices": [choice],
            "usage": _usage(reply.usage),
            "timings": reply.timings,
        }

    def role_chunk(self) -> dict[str, Any]:
        return self._chunk({"role": "assistant", "content": ""})

    def text_chunk(self, text: str, logprobs: list[dict[str, Any]]) -> dict[str, Any]:
        return self._chunk({"content": text}, logprobs=self._tokens(logprobs))

    def end_chunk(self, reply: Reply) -> dict[str, Any]:
        chunk = self._chunk({}, finish_reason=reply.finish_reason)
        return chunk | {"timings": reply.timings}

    def usage_chunk(self, reply: Reply) -> dict[str, Any]:
        return self._chunk({}) | {"choices": [], "usage": _usage(reply.usage)}

    def _chunk(
        self,
        delta: dict[str, Any],
        *,
        logprobs: list[dict[str, Any]] | None = None,
        finish_reason: str | None = None,
    ) -> dict[str, Any]:
        choice = {
            "index": 0,
            "delta": delta,
            "logprobs": {"content": logprobs} if logprobs else None,
            "finish_reason": finish_reason,
        }
        chunk = self._head | {"object": "chat.completion.chunk", "choices": [choice]}
        return chunk | {"usage": None} if self._order.includes_usage else chunk

    def _tokens(self, tokens: list[dict[str, Any]]) -> list[dict[str, Any]]:
        count = self._order.top_logprobs or 0
        return [
            _token(token) | {"top_logprobs": [_token(top) for top in token["top"][:count]]}
            for token in tokens
        ]


def _token(token: dict[str, Any]) -> dict[str, Any]:
    text = token["token"]
    return {"token": text, "logprob": token["logprob"], "bytes": list(text.encode("utf-8"))}


def _usage(usage: dict[str, Any]) -> dict[str, Any]:
    prompt, completion = usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": usage.get("cached_tokens", 0)},
        "dropped_turns": usage.get("dropped_turns", 0),
    }


def _fingerprint(reply: Reply) -> str:
    """Which weights answered, by which version of the product."""
    answerer = reply.answerer
    adapter = getattr(answerer.job, "adapter", None)
    digest = adapter.digest if adapter is not None else answerer.base_model.digest
    return f"fp_{digest[:DIGEST_CHARACTERS]}_{settings.VERSION}"
