"""One answer as an object that moves by one decode step at a time, so that a loop can serve many at once.

From a REPL: `for event in GenerationRun("reply", spec, ModelHost(choose_device())): print(event)`.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from typing import Any, Literal

import torch
from transformers import DynamicCache

from engine.cancellation import CancelFlag
from engine.data.records import Turn
from engine.errors import PromptTooLongError, UnsupportedModelError
from engine.inference.detokenizer import StreamingDetokenizer
from engine.inference.sampling import Sampler
from engine.models.loading import ModelHost, ResidentModel
from engine.protocol import GenerationSpec

PREFILL_TOKENS = {"cpu": 256, "cuda": 4096, "mps": 1024}
"""Prompt tokens read in one step: about a second on a CPU, so that other work and a cancel get in between."""

Event = dict[str, Any]


class GenerationRun:
    """An answer from its spec to the stop token.

    Args:
        work_id: repeated in every event.
        host: where the base model is or becomes resident.
        cancel_flag: set it from any thread to end the answer.
        received: time.monotonic() when the request came in.
    """

    def __init__(
        self,
        work_id: str,
        spec: GenerationSpec,
        host: ModelHost,
        cancel_flag: CancelFlag | None = None,
        received: float | None = None,
    ) -> None:
        self.work_id = work_id
        self.cancel_flag = cancel_flag or CancelFlag()
        self.is_finished = False
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
            self.cancel_flag.raise_if_set()
            if self._resident is not None:
                self._resident.cancel_flag = self.cancel_flag
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
        resident.cancel_flag = self.cancel_flag
        prompt = self._prompt(resident)
        self._prompt_tokens = len(prompt)
        if self._spec.adapter_path is not None:
            self._adapter = resident.adapter_cache.acquire(
                self._spec.adapter_path, self._spec.adapter_digest
            )
        cache = DynamicCache(config=resident.model.config)
        chunk = PREFILL_TOKENS[resident.device.kind]
        for start in range(0, len(prompt), chunk):
            if start:
                yield []
            logits = self._forward(resident, prompt[start : start + chunk], cache)
        sampler = Sampler(self._spec.sampling)
        detokenizer = StreamingDetokenizer(resident.tokenizer)
        room = min(self._spec.sampling.max_tokens, resident.context_length - len(prompt))
        finish_reason: Literal["stop", "length"] = "length"
        token_id = 0
        for index in range(room):
            if index:
                logits = self._forward(resident, [token_id], cache)
            token_id = sampler.draw(logits)
            self._completion_tokens += 1
            if index == 0:
                self._first_token_seconds = time.monotonic() - self._received
            if token_id in resident.chat_format.stop_ids:
                finish_reason = "stop"
                break
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

    def _forward(
        self, resident: ResidentModel, token_ids: list[int], cache: DynamicCache
    ) -> torch.Tensor:
        """Logits after the last of `token_ids`, (vocabulary,); the cache grows by them."""
        resident.adapters.activate(self._adapter)
        ids = torch.tensor([token_ids], device=resident.device.torch_device)
        hidden = resident.decoder(
            input_ids=ids, past_key_values=cache, use_cache=True
        ).last_hidden_state
        last: torch.Tensor = hidden[0, -1]
        return last @ resident.head_weight.T

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
