"""One answer from its first token to its end: text, stop texts, probabilities, and the events that tell of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Literal

import torch

from engine.inference.detokenizer import StreamingDetokenizer
from engine.inference.prompts import Prompt
from engine.inference.stop_texts import StopTexts
from engine.protocol import GenerationSpec, TokenLogprob, Usage
from engine.signals import Signals

if TYPE_CHECKING:
    from engine.models.loading import ResidentModel

Event = dict[str, Any]
Path = Literal["batched", "library", "llama.cpp"]


class Answer:
    """What is known of an answer while it is drawn.

    Args:
        work_id: repeated in every event.
        signals: give it cancel from any thread to end the answer.
        received: time.monotonic() when the request came in.
        path, precision, backend: of the timings.

    Attributes:
        is_finished: whether its last event was told.
        usage: tokens so far; the stop token counts.
        token_ids: those drawn so far.
        prompt: once it was read from the request.
        longest_tokens: that prompt and answer can become.
    """

    def __init__(
        self,
        work_id: str,
        spec: GenerationSpec,
        signals: Signals | None = None,
        received: float | None = None,
        *,
        path: Path = "batched",
        precision: str = "float32",
        backend: str = "",
    ) -> None:
        self.work_id = work_id
        self.spec = spec
        self.signals = signals or Signals()
        self.is_finished = False
        self.usage = Usage(prompt_tokens=0, completion_tokens=0, dropped_turns=0, cached_tokens=0)
        self.token_ids: list[int] = []
        self.prompt: Prompt | None = None
        self.longest_tokens = 0
        self._path, self._precision, self._backend = path, precision, backend
        self._received = time.monotonic() if received is None else received
        self._first_token_seconds = 0.0
        self._stops = StopTexts(spec.sampling.stop)
        self._logprobs: list[TokenLogprob] = []

    @property
    def owner(self) -> str:
        return self.spec.owner

    def begin(self, resident: ResidentModel, prompt: Prompt) -> None:
        """The prompt is known."""
        prompt_tokens = len(prompt.token_ids)
        self.prompt = prompt
        self.usage["prompt_tokens"] = prompt_tokens
        self.usage["dropped_turns"] = prompt.dropped_turns
        self._resident = resident
        free = 0 if prompt.scored else resident.context_length - prompt_tokens
        self._most_tokens = min(self.spec.sampling.max_tokens, free)
        self.longest_tokens = prompt_tokens + self._most_tokens
        self._detokenizer = StreamingDetokenizer(resident.tokenizer)

    def take(self, token_id: int, logits: torch.Tensor) -> list[Event]:
        """Count a token in, and return the events that it gave.

        Args:
            logits: (vocabulary,), that it was drawn from.
        """
        if not self.usage["completion_tokens"]:
            self._first_token_seconds = time.monotonic() - self._received
        self.token_ids.append(token_id)
        self.usage["completion_tokens"] += 1
        if token_id in self._resident.chat_format.stop_ids:
            return [*self._told(self._stops.rest(), is_last=True), self.finished("stop")]
        if self.spec.sampling.logprobs:
            self._logprobs.append(self._logprob(token_id, logits))
        text = self._stops.push(self._detokenizer.push(token_id))
        if self._stops.is_met:
            return [*self._told(text, is_last=True), self.finished("stop")]
        if self.usage["completion_tokens"] >= self._most_tokens:
            text += self._stops.rest()
            return [*self._told(text, is_last=True), self.finished("length")]
        return self._told(text)

    def finished(
        self, finish_reason: Literal["stop", "length"], scored_loss: float | None = None
    ) -> Event:
        """The last event."""
        self.is_finished = True
        duration_seconds = max(time.monotonic() - self._received, 1e-9)
        event: Event = {
            "type": "finished",
            "work_id": self.work_id,
            "finish_reason": finish_reason,
            "usage": dict(self.usage),
            "timings": {
                "first_token_seconds": self._first_token_seconds,
                "duration_seconds": duration_seconds,
                "tokens_per_second": self.usage["completion_tokens"] / duration_seconds,
                "path": self._path,
                "precision": self._precision,
            },
        }
        if self._backend:
            event["timings"]["backend"] = self._backend
        return event if scored_loss is None else event | {"scored_loss": scored_loss}

    def _told(self, text: str, *, is_last: bool = False) -> list[Event]:
        # Probabilities of tokens that gave no text yet are told with the text that they become part of.
        if not text and not (is_last and self._logprobs):
            return []
        event: Event = {"type": "text", "work_id": self.work_id, "text": text}
        if self._logprobs:
            event["logprobs"], self._logprobs = self._logprobs, []
        return [event]

    def _logprob(self, token_id: int, logits: torch.Tensor) -> TokenLogprob:
        logprobs = logits.float().log_softmax(dim=-1)
        values, tokens = logprobs.topk(self.spec.sampling.logprobs)
        return {
            "token": self._text_of(token_id),
            "logprob": float(logprobs[token_id]),
            "top": [
                {"token": self._text_of(token), "logprob": value}
                for token, value in zip(tokens.tolist(), values.tolist(), strict=True)
            ],
        }

    def _text_of(self, token_id: int) -> str:
        return str(self._resident.tokenizer.decode([token_id]))
