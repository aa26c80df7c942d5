"""The rooms of all resident base models, as one participant of the engine's loop."""

from __future__ import annotations

from typing import Any

from engine.inference.answer import Answer
from engine.inference.blocks import is_batched
from engine.models.loading import ModelHost, ResidentModel
from engine.protocol import BaseModelRef, GenerationSpec
from engine.signals import Signals

Event = dict[str, Any]


class ChatRooms:
    """Takes requests for any base model and steps the rooms that have work."""

    def __init__(self, host: ModelHost) -> None:
        self._host = host
        self._open: dict[str, tuple[Answer, ResidentModel]] = {}

    @property
    def is_idle(self) -> bool:
        return not self._open

    @property
    def has_newcomers(self) -> bool:
        """Whether somebody waits for a first token that a next step brings nearer."""
        return any(resident.room.has_newcomers for resident in self._residents())

    def prepare(self, ref: BaseModelRef) -> bool:
        """Make a base model resident and its room ready; whether it has one.

        Raises:
            UnsupportedModelError: the folder is missing, unreadable or of a kind that is not known here.
        """
        resident = self._host.acquire(ref)
        try:
            has_room = is_batched(resident)
            if has_room:
                _ = resident.room
            return has_room
        finally:
            self._host.release(resident)

    def join(self, work_id: str, spec: GenerationSpec, signals: Signals, received: float) -> None:
        """Take a request in.

        Raises:
            UnsupportedModelError: the base model is missing or unreadable.
        """
        resident = self._host.acquire(spec.base_model)
        try:
            answer = resident.room.join(work_id, spec, signals, received)
        except BaseException:
            self._host.release(resident)
            raise
        self._open[work_id] = (answer, resident)

    def step(self) -> list[Event]:
        """A step of every room that has work; the base models of answers that ended are given back."""
        events: list[Event] = []
        for resident in self._residents():
            events += resident.room.step()
        for work_id, (answer, resident) in list(self._open.items()):
            if answer.is_finished:
                del self._open[work_id]
                self._host.release(resident)
        return events

    def close(self) -> None:
        """Drop all answers without a word."""
        for resident in self._residents():
            resident.room.close()
        for _, resident in self._open.values():
            self._host.release(resident)
        self._open.clear()

    def _residents(self) -> list[ResidentModel]:
        return list(dict.fromkeys(resident for _, resident in self._open.values()))
