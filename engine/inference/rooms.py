"""The rooms of all resident base models, as one participant of the engine's loop.

Most answers are drawn in the room of their base model. Where few are asked for on a CPU, llama.cpp may draw them
(engine.inference.llama_cpp.choice); a request stays where it began.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from engine.inference.answer import Answer
from engine.inference.blocks import is_batched
from engine.inference.llama_cpp.choice import LlamaChoice
from engine.inference.llama_cpp.room import LlamaRoom
from engine.models.loading import ModelHost, ResidentModel
from engine.protocol import BaseModelRef, GenerationSpec
from engine.signals import Signals

logger = logging.getLogger(__name__)

Event = dict[str, Any]


class ChatRooms:
    """Takes requests for any base model and steps the rooms that have work.

    Args:
        llama_cpp: whether and where llama.cpp keeps its files; without it all answers are drawn in the rooms.
    """

    def __init__(self, host: ModelHost, llama_cpp: Path | LlamaChoice | None = None) -> None:
        self._host = host
        if isinstance(llama_cpp, Path):
            llama_cpp = LlamaChoice(llama_cpp, host.is_resident)
        self._llama = llama_cpp
        self._open: dict[str, tuple[Answer, ResidentModel]] = {}

    @property
    def is_idle(self) -> bool:
        return not self._open

    @property
    def has_newcomers(self) -> bool:
        """Whether somebody waits for a first token that a next step brings nearer."""
        is_waiting = any(room.has_newcomers for room in self._llama_rooms())
        return is_waiting or any(resident.room.has_newcomers for resident in self._residents())

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
                if self._llama is not None:
                    self._llama.prepare(resident)
            return has_room
        finally:
            self._host.release(resident)

    def join(
        self,
        work_id: str,
        spec: GenerationSpec,
        signals: Signals,
        received: float,
        behind: int = 0,
    ) -> None:
        """Take a request in.

        Args:
            behind: requests that came in meanwhile: the first of a class that asks at once is not one of few.

        Raises:
            UnsupportedModelError: the base model is missing or unreadable.
        """
        resident = self._host.acquire(spec.base_model)
        try:
            answer = self._joined_llama(work_id, spec, resident, signals, received, behind)
            if answer is None:
                answer = resident.room.join(work_id, spec, signals, received)
        except BaseException:
            self._host.release(resident)
            raise
        self._open[work_id] = (answer, resident)

    def step(self) -> list[Event]:
        """A step of every room that has work; the base models of answers that ended are given back."""
        events: list[Event] = []
        for resident in self._residents():
            if not resident.room.is_idle:
                events += resident.room.step()
        for room in self._llama_rooms():
            events += room.step()
        for work_id, (answer, resident) in list(self._open.items()):
            if answer.is_finished:
                del self._open[work_id]
                self._host.release(resident)
        return events

    def close(self) -> None:
        """Drop all answers without a word."""
        for resident in self._residents():
            resident.room.close()
        if self._llama is not None:
            self._llama.close()
        for _, resident in self._open.values():
            self._host.release(resident)
        self._open.clear()

    def _joined_llama(
        self,
        work_id: str,
        spec: GenerationSpec,
        resident: ResidentModel,
        signals: Signals,
        received: float,
        behind: int,
    ) -> Answer | None:
        """The answer that llama.cpp draws; None where it does not."""
        if self._llama is None:
            return None
        under_way = behind + sum(other is resident for _, other in self._open.values())
        chosen = self._llama.choose(resident, spec, under_way)
        if chosen is None:
            return None
        room, prompt = chosen
        try:
            return room.join(work_id, spec, resident, signals, received, prompt)
        except Exception:
            # The room may do it, or says what is wrong.
            logger.exception("work=%s is not drawn by llama.cpp", work_id)
            self._llama.keep_out(spec)
            return None

    def _llama_rooms(self) -> list[LlamaRoom]:
        return [] if self._llama is None else self._llama.rooms()

    def _residents(self) -> list[ResidentModel]:
        return list(dict.fromkeys(resident for _, resident in self._open.values()))
