"""A reply as a request of the chat completions protocol."""

from __future__ import annotations

import time
from typing import Any

from chat.execution.specs import conversation_turns
from chat.models import Reply
from engine.config import SamplingParams

EXTRA_FIELDS = ("top_k", "min_p", "repetition_penalty", "repeat_penalty", "repeat_last_n")
"""Not of the protocol: self-hosted servers know most of them and pass over the others, a strict one refuses them."""

PENALISED_TOKENS = 32768
"""As good as the whole conversation; llama.cpp takes no word for that, and keeps so many in memory."""


class ChatRequest:
    """What is asked of a server, whichever model it goes to.

    Attributes:
        begun_at: time.monotonic() when the reply was handed over.
        needs_extras: whether the person's settings can not be told without EXTRA_FIELDS.
    """

    def __init__(self, reply: Reply) -> None:
        self.begun_at = time.monotonic()
        self._sampling = SamplingParams.from_mapping(reply.sampling)
        self._turns = conversation_turns(reply)
        self.needs_extras = self._sampling.top_k > 0 or self._sampling.repetition_penalty != 1

    def body(self, model: str, *, has_extras: bool) -> dict[str, Any]:
        """The JSON of the request."""
        sampling = self._sampling
        body: dict[str, Any] = {
            "model": model,
            "messages": self._turns,
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens,
            "seed": sampling.seed,
        }
        if sampling.stop:
            body["stop"] = list(sampling.stop)
        if sampling.logprobs:
            body |= {"logprobs": True, "top_logprobs": sampling.logprobs}
        return body | self._extras() if has_extras else body

    def _extras(self) -> dict[str, Any]:
        """Told even where they change nothing: servers have defaults of their own, and models bring some along."""
        penalty = self._sampling.repetition_penalty
        extras = {"top_k": self._sampling.top_k, "min_p": 0.0, "repetition_penalty": penalty}
        if penalty == 1:
            return extras
        # llama.cpp's name for it; by itself it looks back 64 tokens.
        return extras | {"repeat_penalty": penalty, "repeat_last_n": PENALISED_TOKENS}
