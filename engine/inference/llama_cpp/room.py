"""Answers that llama.cpp computes, one after another token by token, drawn and told as the engine's own room does.

Only the logits come from llama.cpp. Prompts, sampling with its seed, stop texts, text from tokens, probabilities and
usage are those of engine.inference, so a request means the same in both. Each answer has a conversation of its own with
its own adapter: nothing is shared between adapters.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from engine.errors import AdapterError, CancelledError, EngineError, UnsupportedModelError
from engine.inference.answer import Answer, Event
from engine.inference.endings import ending
from engine.inference.limits import RoomLimits
from engine.inference.llama_cpp.adapters import LlamaAdapters
from engine.inference.llama_cpp.memories import Memories, Memory
from engine.inference.llama_cpp.model import READ_TOKENS, LlamaConversation, LlamaModel
from engine.inference.prefixes import Key
from engine.inference.prompts import Prompt, read_prompt
from engine.inference.sampling import Sampler, draw
from engine.protocol import GenerationSpec
from engine.signals import Signals

if TYPE_CHECKING:
    from engine.models.loading import ResidentModel

MOST_ADAPTERS = 16


@dataclass(eq=False)
class LlamaSeat:
    """An answer under way.

    Attributes:
        digest: of its adapter; empty for the base model.
        key: under which its conversation is remembered, or None.
        token_ids: what keys and values are held of.
        unread: tokens of the prompt that are still to be read.
        next_token: drawn last, not computed yet.
    """

    answer: Answer
    resident: ResidentModel
    conversation: LlamaConversation
    digest: str
    key: Key | None
    sampler: Sampler
    token_ids: list[int]
    unread: list[int]
    next_token: int = 0


class LlamaRoom:
    """The answers of one base model.

    Args:
        model: its weights; the room frees them.
        resident: the engine's own model, whose tokens these are; it is not kept.
        cache: folder for the files of adapters while they are read.
        threads: that compute.
        limits: on memory; those of the device when not given.
    """

    def __init__(
        self,
        model: LlamaModel,
        resident: ResidentModel,
        cache: Path,
        *,
        threads: int,
        precision: str = "Q8_0",
        limits: RoomLimits | None = None,
    ) -> None:
        if model.vocabulary_size != len(resident.head_weight):
            raise UnsupportedModelError("llama.cpp has another number of tokens")
        limits = limits or RoomLimits.of(resident.device)
        self.model, self.precision, self._threads = model, precision, threads
        self.adapters = LlamaAdapters(
            model, resident.ref, cache, MOST_ADAPTERS, limits.adapter_bytes
        )
        self.memories = Memories(limits.prefix_bytes)
        self._key_value_bytes = limits.key_value_bytes
        heads = resident.packed.heads
        # Keys and values of sixteen bits.
        self._token_bytes = resident.layer_count * 2 * heads.key * heads.size * 2
        self._seats: list[LlamaSeat] = []

    @property
    def is_idle(self) -> bool:
        return not self._seats

    @property
    def row_count(self) -> int:
        """Answers under way."""
        return len(self._seats)

    @property
    def has_newcomers(self) -> bool:
        """Whether somebody waits for a first token."""
        return any(seat.unread for seat in self._seats)

    def has_memory(self, tokens: int) -> bool:
        """Whether a conversation of so many tokens fits beside those under way."""
        tokens += sum(seat.answer.longest_tokens for seat in self._seats)
        return tokens * self._token_bytes <= self._key_value_bytes

    def unread_count(self, spec: GenerationSpec, prompt: Prompt) -> int:
        """Tokens of a prompt that are not remembered."""
        memory = self.memories.find(_key(spec, spec.adapter_digest) or ("", ""))
        known = 0 if memory is None else memory.shared_length(prompt.token_ids)
        return len(prompt.token_ids) - known

    def join(
        self,
        work_id: str,
        spec: GenerationSpec,
        resident: ResidentModel,
        signals: Signals | None = None,
        received: float | None = None,
        prompt: Prompt | None = None,
    ) -> Answer:
        """Take a request in; its events come from the next steps.

        Args:
            prompt: that of the request, when it was read already.

        Raises:
            EngineError: the prompt or the adapter is unusable here; nothing was told then.
            MemoryError: there is none for the conversation.
        """
        answer = Answer(
            work_id, spec, signals, received, path="llama.cpp", precision=self.precision,
            backend=f"llama.cpp {self.precision}",
        )  # fmt: skip
        prompt = prompt or read_prompt(spec, resident.chat_format, resident.context_length)
        if prompt.scored:
            raise EngineError("llama.cpp scores no answers here")
        answer.begin(resident, prompt)
        self._seats.append(self._seat(answer, prompt, resident))
        return answer

    def step(self) -> list[Event]:
        """Read a part of one prompt, and draw one token for every answer that is being drawn."""
        events: list[Event] = []
        for seat in list(self._seats):
            if seat.answer.signals.has("cancel"):
                events.append(self._ended(seat, CancelledError()))
        reading = next((seat for seat in self._seats if seat.unread), None)
        # Not inference_mode, as in the room: what is made here may meet a model that is trained on.
        with torch.no_grad():
            for seat in list(self._seats):
                if seat is reading or not seat.unread:
                    events += self._advance(seat)
        return events

    def close(self) -> None:
        """Drop all answers without a word, and what is remembered of conversations."""
        for seat in list(self._seats):
            seat.answer.is_finished = True
            self._free(seat)
        self.memories.clear()

    def free(self) -> None:
        """Give everything back, the weights too."""
        self.close()
        self.model.close()

    def _seat(self, answer: Answer, prompt: Prompt, resident: ResidentModel) -> LlamaSeat:
        spec = answer.spec
        digest, adapter = "", None
        if spec.adapter_path is not None:
            digest, adapter = self.adapters.acquire(spec.adapter_path, spec.adapter_digest)
        try:
            conversation = LlamaConversation(
                self.model, adapter, answer.longest_tokens, threads=self._threads
            )
        except BaseException:
            if digest:
                self.adapters.release(digest)
            raise
        key = _key(spec, digest)
        known = self._restored(conversation, key, prompt.token_ids)
        answer.usage["cached_tokens"] = known
        return LlamaSeat(
            answer, resident, conversation, digest, key,
            Sampler(spec.sampling, prompt.token_ids),
            prompt.token_ids[:known], prompt.token_ids[known:],
        )  # fmt: skip

    def _restored(
        self, conversation: LlamaConversation, key: Key | None, token_ids: list[int]
    ) -> int:
        """Begin with what is remembered; returns how many tokens that is."""
        memory = None if key is None else self.memories.find(key)
        length = 0 if memory is None else memory.shared_length(token_ids)
        if memory is None or not length or len(memory.token_ids) > conversation.capacity:
            return 0
        if not conversation.restore(memory.content, len(memory.token_ids)):
            return 0
        conversation.forget_after(length)
        return length

    def _advance(self, seat: LlamaSeat) -> list[Event]:
        """Read a part of the prompt, or compute the token drawn last; then draw where that was the last one known."""
        taken = seat.unread[:READ_TOKENS] or [seat.next_token]
        try:
            logits = seat.conversation.read(taken)
            seat.token_ids += taken
            del seat.unread[:READ_TOKENS]
            if seat.unread:
                return []
            token = draw([seat.sampler], logits.unsqueeze(0))[0]
        except Exception as failure:  # noqa: BLE001 - what fails, ends alone
            return [self._ended(seat, failure, is_clean=False)]
        if token is None:
            return [self._ended(seat, _unusable(seat), is_clean=False)]
        events = seat.answer.take(token, logits)
        seat.next_token = token
        if seat.answer.is_finished:
            self._free(seat)
        return events

    def _ended(self, seat: LlamaSeat, failure: Exception, *, is_clean: bool = True) -> Event:
        seat.answer.is_finished = True
        self._free(seat, is_clean=is_clean)
        device, usage = seat.resident.device, seat.answer.usage
        return ending(seat.answer.work_id, failure, device, usage=usage)

    def _free(self, seat: LlamaSeat, *, is_clean: bool = True) -> None:
        self._seats.remove(seat)
        if is_clean and seat.key is not None and not seat.unread:
            self.memories.keep(seat.key, Memory(seat.token_ids, seat.conversation.copied()))
        seat.conversation.close()
        if seat.digest:
            self.adapters.release(seat.digest)


def _key(spec: GenerationSpec, digest: str) -> Key | None:
    return (spec.conversation, digest) if spec.conversation else None


def _unusable(seat: LlamaSeat) -> EngineError:
    """Why logits are no numbers: whose weights they are."""
    if seat.digest:
        return AdapterError("the logits are no numbers", reason="not_finite")
    return UnsupportedModelError("the logits are no numbers", name=seat.resident.ref.name)
