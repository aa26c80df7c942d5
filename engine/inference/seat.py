"""An answer's place in a room: its prompt, its memory, its adapter and how it draws."""

from __future__ import annotations

from engine.inference.adapter_weights import AdapterWeights
from engine.inference.answer import Answer
from engine.inference.key_values import Draft, Place
from engine.inference.prefixes import Key
from engine.inference.prompts import Prompt
from engine.inference.sampling import Sampler


class Seat:
    """One admitted request.

    Attributes:
        key: under which its conversation is remembered, or None.
        draft: keys and values while the prompt is read.
        place: keys and values once tokens are drawn.
        token_ids: what keys and values are held of, once tokens are drawn.
        next_token: drawn last, not computed yet.
    """

    def __init__(self, answer: Answer, prompt: Prompt, adapter: AdapterWeights | None) -> None:
        self.answer = answer
        self.prompt = prompt
        self.adapter = adapter
        conversation = answer.spec.conversation
        self.key: Key | None = None
        if conversation:
            self.key = (conversation, "" if adapter is None else adapter.digest)
        self.sampler = Sampler(answer.spec.sampling, prompt.token_ids)
        self.token_ids = list(prompt.token_ids)
        self.draft: Draft | None = None
        self.place: Place | None = None
        self.next_token = 0
        self._loss_sum = 0.0

    @property
    def placed(self) -> Place:
        assert self.place is not None
        return self.place

    @property
    def drafted(self) -> Draft:
        assert self.draft is not None
        return self.draft

    @property
    def unread_count(self) -> int:
        """Tokens of the prompt that are still to be read."""
        # After the last token of a scored answer nothing is predicted.
        return len(self.prompt.token_ids) - bool(self.prompt.scored) - self.drafted.length

    def add_loss(self, nats: float) -> None:
        self._loss_sum += nats

    @property
    def scored_loss(self) -> float:
        """Nats per token of the scored answer."""
        return self._loss_sum / len(self.prompt.scored)
