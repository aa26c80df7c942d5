"""One answer by itself, as an object that moves by one token at a time: the way for models that the room does not know.

From a REPL: `for event in GenerationRun("reply", spec, ModelHost(choose_device())): print(event)`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator

import torch

from engine.errors import AdapterError
from engine.inference.answer import Answer, Event
from engine.inference.decode import decode_with_logits, score
from engine.inference.prompts import read_prompt
from engine.models.loading import ModelHost, ResidentModel
from engine.protocol import GenerationSpec, Usage
from engine.signals import Signals


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
        self._answer = Answer(
            work_id, spec, self.signals, self._received,
            path="library", precision=host.device.dtype_name,
        )  # fmt: skip
        self._resident: ResidentModel | None = None
        self._adapter: str | None = None
        self._progress = self._live()

    def __iter__(self) -> Iterator[Event]:
        while not self.is_finished:
            yield from self.advance()

    @property
    def usage(self) -> Usage:
        """Tokens so far; the stop token counts."""
        return self._answer.usage

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
        prompt = read_prompt(self._spec, resident.chat_format, resident.context_length)
        self._answer.begin(resident, prompt)
        if self._spec.adapter_path is not None:
            self._adapter = resident.adapter_cache.acquire(
                self._spec.adapter_path, self._spec.adapter_digest
            )
        if prompt.scored:
            for loss in score(resident, self._adapter, prompt):
                if loss is not None and not math.isfinite(loss):
                    raise AdapterError("the logits are no numbers", reason="not_finite")
                yield [] if loss is None else [self._answer.finished("stop", loss)]
            return
        sampling = self._spec.sampling
        for drawn in decode_with_logits(resident, self._adapter, prompt.token_ids, sampling):
            yield [] if drawn is None else self._answer.take(*drawn)
            if self._answer.is_finished:
                return
