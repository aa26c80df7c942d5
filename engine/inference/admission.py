"""Who gets a place in the room, in turn, as long as there are rows and memory."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from engine.inference.answer import Answer, Event
from engine.inference.key_values import KeyValues
from engine.inference.limits import RoomLimits
from engine.inference.loaded_adapters import LoadedAdapters
from engine.inference.prefixes import Prefixes
from engine.inference.prompts import read_prompt
from engine.inference.seat import Seat
from engine.inference.waiting import WaitingLine

if TYPE_CHECKING:
    from engine.models.loading import ResidentModel

Ended = Callable[[Answer, Exception], Event]
"""The terminal event of an answer that failed."""


class Admission:
    """The line before the room.

    Args:
        adapters, prefixes, key_values: those of the room.
        ended: makes the terminal event of a request that fails at the door.
    """

    def __init__(
        self,
        resident: ResidentModel,
        limits: RoomLimits,
        adapters: LoadedAdapters,
        prefixes: Prefixes,
        key_values: KeyValues,
        ended: Ended,
    ) -> None:
        self._resident, self._limits = resident, limits
        self._adapters, self._prefixes, self._key_values = adapters, prefixes, key_values
        self._ended = ended
        self._waiting: WaitingLine[Answer] = WaitingLine()
        self._positions: dict[Answer, int] = {}
        self._lacks_memory = False

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, answer: Answer) -> None:
        self._waiting.add(answer)
        self._lacks_memory = False

    def can_admit(self, seated_count: int) -> bool:
        """Whether somebody waits who may find a place."""
        is_full = seated_count >= self._limits.max_rows
        return len(self._waiting) > 0 and not is_full and not self._lacks_memory

    def take_all(self) -> list[Answer]:
        """All that wait; they leave the line."""
        waiting = list(self._waiting)
        for answer in waiting:
            self._waiting.remove(answer)
        return waiting

    def take_cancelled(self) -> list[Answer]:
        """Those that nobody waits for any more; they leave the line."""
        cancelled = [answer for answer in self._waiting if answer.signals.has("cancel")]
        for answer in cancelled:
            self._waiting.remove(answer)
        return cancelled

    def admit(self, seated: Collection[Seat]) -> tuple[list[Seat], list[Event]]:
        """New seats, and the events of those that fail at the door or whose position changed.

        Args:
            seated: those that have a place.
        """
        seats, new, events = list(seated), [], []
        self._lacks_memory = False
        while self.can_admit(len(seats)):
            answer = self._waiting.in_turn(seat.answer for seat in seats)[0]
            try:
                seat = self._seat(answer, seats)
            except Exception as failure:  # noqa: BLE001 - whatever is wrong with a request ends that request
                self._waiting.remove(answer)
                events.append(self._ended(answer, failure))
                continue
            if seat is None:
                self._lacks_memory = True
                break
            self._waiting.serve(answer)
            seats.append(seat)
            new.append(seat)
        return new, events + self._changed_positions(seats)

    def _seat(self, answer: Answer, seats: Collection[Seat]) -> Seat | None:
        """A place for an answer, or None while there is no memory for it."""
        resident, spec = self._resident, answer.spec
        prompt = answer.prompt or read_prompt(spec, resident.chat_format, resident.context_length)
        answer.begin(resident, prompt)
        tokens = answer.longest_tokens + sum(seat.answer.longest_tokens for seat in seats)
        size_bytes = tokens * self._key_values.layout.token_bytes
        if seats and size_bytes > self._limits.key_value_bytes:
            return None
        adapter = None
        if spec.adapter_path is not None:
            adapter = self._adapters.acquire(spec.adapter_path, spec.adapter_digest)
        seat = Seat(answer, prompt, adapter)
        remembered = None
        if seat.key is not None and not prompt.scored:
            remembered = self._prefixes.find(seat.key, prompt.token_ids)
        seat.draft = self._key_values.draft(len(prompt.token_ids), remembered)
        answer.usage["cached_tokens"] = seat.draft.length
        return seat

    def _changed_positions(self, seats: Collection[Seat]) -> list[Event]:
        order = self._waiting.in_turn(seat.answer for seat in seats)
        positions = {answer: index + 1 for index, answer in enumerate(order)}
        changed: list[Event] = [
            {"type": "waiting", "work_id": answer.work_id, "position": position}
            for answer, position in positions.items()
            if self._positions.get(answer) != position
        ]
        self._positions = positions
        return changed
