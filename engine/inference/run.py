"""One answer as an object that moves by one decode step at a time, so that a loop can serve many at once.

From a REPL: `for event in GenerationRun("reply", spec, ModelHost(choose_device())): print(event)`.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from typing import Any, Literal

import torch

from engine.data.records import Turn
from engine.errors import PromptTooLongError, UnsupportedModelError
from engine.inference.decode import decode
from engine.inference.detokenizer import StreamingDetokenizer
from engine.models.loading import ModelHost, ResidentModel
from engine.protocol import GenerationSpec
from engine.signals import Signals

Event = dict[str, Any]


class GenerationRun:
    """An answer from its spec to the stop token.

    Args:
        work_id: repeated in every event.
        host: where the base model is or becomes resident.
        signals: give it cancel from any thread to end the answer.
        received: time.monotonic() when the request came in.
    """

    def __init__(
        self,
        work_id: str,
        spec: GenerationSpec,
        host: ModelHost,
        signals: Signals | None = None,
        received: float | None = None,
    ) -> None:
        self.work_id = work_id
        self.signals = signals or Signals()
        self.is_finished = False
        self.has_begun = False
        self._spec = spec
        self._host = host
        self._received = time.monotonic() if received is None else received
        self._first_token_seconds = 0.0
        self._prompt_tokens = 0
        self._completion_tokens = 0
        self._resident: ResidentModel | None = None
        self._adapter: str | None = None
        self._progress = self._live()

    def __iter__(self) -> Iterator[Event]:
        while not self.is_finished:
            yield from self.advance()

    @property
    def usage(self) -> dict[str, int]:
        """Tokens so far; the stop token counts."""
        return {
            "prompt_tokens": self._prompt_tokens,
            "completion_tokens": self._completion_tokens,
        }

    def advance(self) -> list[Event]:
        """Read a part of the prompt or draw one token, and return the events it gave.

        Raises:
            EngineError: the answer ended early (cancelled, prompt too long, unusable adapter or model, no memory).
        """
        if self.is_finished:
            return []
        try:
            self.signals.raise_if_cancelled()
            self.has_begun = True
            if self._resident is not None:
                self._resident.signals = self.signals
            # Not inference_mode: a base model loaded in here could never be trained on.
            with torch.no_grad():
                events = next(self._progress)
        except BaseException:
            self.close()
            raise
        if events and events[-1]["type"] == "finished":
            self.close()
        return events

    def close(self) -> None:
        """Give back the model, the adapter and the memory of the conversation."""
        self.is_finished = True
        self._progress.close()
        if self._resident is not None:
            if self._adapter is not None:
                self._resident.adapter_cache.release(self._adapter)
            self._host.release(self._resident)
            self._resident = None

    def _live(self) -> Generator[list[Event]]:
        resident = self._resident = self._host.acquire(self._spec.base_model)
        resident.signals = self.signals
        prompt = self._prompt(resident)
        self._prompt_tokens = len(prompt)
        if self._spec.adapter_path is not None:
            self._adapter = resident.adapter_cache.acquire(
                self._spec.adapter_path, self._spec.adapter_digest
            )
        detokenizer = StreamingDetokenizer(resident.tokenizer)
        finish_reason: Literal["stop", "length"] = "length"
        for token_id in decode(resident, self._adapter, prompt, self._spec.sampling):
            if token_id is None:
                yield []
                continue
            if not self._completion_tokens:
                self._first_token_seconds = time.monotonic() - self._received
            self._completion_tokens += 1
            if token_id in resident.chat_format.stop_ids:
                finish_reason = "stop"
            else:
                yield self._text(detokenizer.push(token_id))
        yield [self._finished(finish_reason)]

    def _prompt(self, resident: ResidentModel) -> list[int]:
        turns = [Turn(turn["role"], turn["content"], False) for turn in self._spec.turns]
        prompt = resident.chat_format.prompt(turns)
        if not prompt:
            raise UnsupportedModelError("the chat template renders nothing")
        if len(prompt) >= resident.context_length:
            raise PromptTooLongError(
                prompt_tokens=len(prompt), context_length=resident.context_length
            )
        return prompt

    def _text(self, text: str) -> list[Event]:
        return [{"type": "text", "work_id": self.work_id, "text": text}] if text else []

    def _finished(self, finish_reason: Literal["stop", "length"]) -> Event:
        duration_seconds = max(time.monotonic() - self._received, 1e-9)
        return {
            "type": "finished",
            "work_id": self.work_id,
            "finish_reason": finish_reason,
            "usage": self.usage,
            "timings": {
                "first_token_seconds": self._first_token_seconds,
                "duration_seconds": duration_seconds,
                "tokens_per_second": self._completion_tokens / duration_seconds,
            },
        }
