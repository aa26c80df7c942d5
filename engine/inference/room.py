"""The room in which all answers of one resident base model are drawn together, each with its own adapter.

From a REPL:

    room = DecodeRoom(resident)
    room.join("a", spec)
    while not room.is_idle:
        print(room.step())

A request joins and leaves between two steps. It first waits for a place, then its prompt is read, then it draws one
token a step with all others. Steps of decoding and passes of reading take turns while there is work for both, and a
pass reads at most `read_tokens` tokens of however many prompts (engine.inference.reading), so nobody's answer stands
still for longer than one pass. What fails, ends alone.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from engine.errors import AdapterError, CancelledError, EngineError, UnsupportedModelError
from engine.inference.admission import Admission
from engine.inference.answer import Answer, Event
from engine.inference.attending import StepAttention
from engine.inference.blocks import ChatBlocks
from engine.inference.endings import ending
from engine.inference.key_values import KeyValues, Layout
from engine.inference.limits import RoomLimits
from engine.inference.loaded_adapters import LoadedAdapters
from engine.inference.prefixes import Prefixes
from engine.inference.reading import ReadingPass
from engine.inference.sampling import draw
from engine.inference.seat import Seat
from engine.inference.stacks import AdapterStacks
from engine.protocol import GenerationSpec
from engine.signals import Signals

if TYPE_CHECKING:
    from engine.models.chat_precision import Linears
    from engine.models.loading import ResidentModel


class DecodeRoom:
    """Draws many answers at once.

    Args:
        resident: of a type that engine.inference.blocks computes.
        linears: how to multiply with frozen weights, where it is not the resident model's way.
        precision: name of that way, for the timings.
        limits: on rows and memory; those of the device when not given.

    Attributes:
        linears: that were handed in.
    """

    def __init__(
        self,
        resident: ResidentModel,
        linears: Linears | None = None,
        *,
        precision: str = "",
        limits: RoomLimits | None = None,
    ) -> None:
        self._resident = resident
        self.limits = limits or RoomLimits.of(resident.device)
        self.precision = precision or resident.device.dtype_name
        self.linears = linears
        self._blocks = ChatBlocks(resident, linears)
        device, dtype = resident.device.torch_device, resident.device.dtype
        layout = Layout(resident.layer_count, self._blocks.heads, device, dtype)
        self._key_values = KeyValues(layout, self.limits.max_rows, resident.context_length)
        self._stacks = AdapterStacks(
            resident.projection_shapes, resident.layer_count, device, dtype
        )
        self.adapters = LoadedAdapters(resident, self._stacks, self.limits.adapter_bytes)
        self.prefixes = Prefixes(self.limits.prefix_bytes)
        self._door = Admission(
            resident, self.limits, self.adapters, self.prefixes, self._key_values, self._ended
        )
        self._reading: list[Seat] = []
        self._decoding: list[Seat] = []
        self._is_read_next = True

    @property
    def is_idle(self) -> bool:
        return not (len(self._door) or self._reading or self._decoding)

    @property
    def has_newcomers(self) -> bool:
        """Whether somebody waits for a first token that a next step brings nearer."""
        return bool(self._reading) or self._door.can_admit(self.row_count)

    @property
    def row_count(self) -> int:
        """Answers that have a place."""
        return len(self._reading) + len(self._decoding)

    def join(
        self,
        work_id: str,
        spec: GenerationSpec,
        signals: Signals | None = None,
        received: float | None = None,
    ) -> Answer:
        """Take a request in; its events come from the next steps.

        Args:
            signals: give it cancel from any thread to end the answer.
            received: time.monotonic() when the request came in.
        """
        answer = Answer(work_id, spec, signals, received, precision=self.precision)
        self._door.add(answer)
        return answer

    def step(self) -> list[Event]:
        """Draw one token for every answer that is being drawn, or read a part of the prompts.

        Returns:
            The events of all answers; each has its work_id. A request that fails ends with `failed`.
        """
        # Not inference_mode: a base model loaded in here could never be trained on.
        with torch.no_grad():
            events = self._end_cancelled()
            seats, told = self._door.admit([*self._reading, *self._decoding])
            self._reading += seats
            events += told
            is_reading = bool(self._reading) and (self._is_read_next or not self._decoding)
            self._is_read_next = not is_reading
            if is_reading:
                events += self._read()
            elif self._decoding:
                events += self._decode()
        return events

    def close(self) -> None:
        """Drop all answers without a word, and what is remembered of conversations."""
        for answer in self._door.take_all():
            answer.is_finished = True
        for seat in [*self._reading, *self._decoding]:
            self._free(seat)
        self.prefixes.clear()
        self._key_values.clear()

    def _end_cancelled(self) -> list[Event]:
        events = []
        for answer in self._door.take_cancelled():
            events.append(self._ended(answer, CancelledError()))
        for seat in [*self._reading, *self._decoding]:
            if seat.answer.signals.has("cancel"):
                self._remember(seat)
                self._free(seat)
                events.append(self._ended(seat.answer, CancelledError()))
        return events

    def _read(self) -> list[Event]:
        """One pass of reading; those whose prompt is read draw their first token."""
        reading = ReadingPass(self._reading, self.limits.read_tokens, self._key_values.layout)
        try:
            ready, logits = reading.run(self._blocks, self._resident)
        except Exception as failure:  # noqa: BLE001 - ends those that were read, and nobody else
            return self._fail_all(reading.seats, failure)
        events: list[Event] = []
        drawing = []
        for seat, row in zip(ready, logits, strict=True):
            if seat.prompt.scored:
                events += self._scored(seat)
            else:
                drawing.append((seat, row))
        if drawing:
            seats = [seat for seat, _ in drawing]
            events += self._take(seats, torch.stack([row for _, row in drawing]))
        return events

    def _scored(self, seat: Seat) -> list[Event]:
        loss = seat.scored_loss
        self._free(seat)
        if math.isnan(loss):
            return [self._ended(seat.answer, self._unusable(seat))]
        return [seat.answer.finished("stop", loss)]

    def _decode(self) -> list[Event]:
        """One token for every row."""
        seats = self._decoding
        device = self._resident.device.torch_device
        try:
            places = [seat.placed for seat in seats]
            attend = StepAttention(places, self._key_values.layout)
            token_ids = torch.tensor([seat.next_token for seat in seats], device=device)
            positions = torch.tensor([place.length for place in places], device=device)
            hidden = self._blocks.hidden(token_ids, positions, attend, self._stacks)
            logits = self._blocks.logits(hidden)
        except Exception as failure:  # noqa: BLE001 - the rows of the step end, waiting and reading go on
            return self._fail_all(list(seats), failure)
        for seat, place in zip(seats, places, strict=True):
            place.length += 1
            seat.token_ids.append(seat.next_token)
        return self._take(list(seats), logits)

    def _take(self, seats: list[Seat], logits: torch.Tensor) -> list[Event]:
        """Draw a token for each seat; those that are done leave, those that begin get a row."""
        events: list[Event] = []
        has_changed = False
        for seat, row, token in zip(
            seats, logits, draw([seat.sampler for seat in seats], logits), strict=True
        ):
            if token is None:
                self._free(seat, is_clean=False)
                events.append(self._ended(seat.answer, self._unusable(seat)))
                continue
            events += seat.answer.take(token, row)
            seat.next_token = token
            if seat.answer.is_finished:
                self._remember(seat)
                self._free(seat)
            elif seat.place is None:
                self._begin_row(seat)
                has_changed = True
        if has_changed:
            self._arrange()
        return events

    def _begin_row(self, seat: Seat) -> None:
        """A prompt is read: its row joins the batch."""
        assert seat.draft is not None
        seat.place = self._key_values.place(seat.draft, seat.answer.longest_tokens)
        seat.draft = None
        self._reading.remove(seat)
        self._decoding.append(seat)
        self._stacks.join(seat, seat.adapter)

    def _arrange(self) -> None:
        order = {seat: row for row, seat in enumerate(self._stacks.arrange())}
        self._decoding.sort(key=order.__getitem__)

    def _remember(self, seat: Seat) -> None:
        if seat.key is None:
            return
        if seat.place is not None:
            self.prefixes.keep(seat.key, seat.token_ids, seat.place.arena.copied(seat.place))

    def _free(self, seat: Seat, *, is_clean: bool = True) -> None:
        """Take an answer out of the room, with its memory and its adapter's use."""
        if seat in self._reading:
            self._reading.remove(seat)
        if seat in self._decoding:
            self._decoding.remove(seat)
            self._stacks.leave(seat)
            self._arrange()
        if seat.place is not None:
            self._key_values.remove(seat.place, is_clean=is_clean)
        seat.place = seat.draft = None
        if seat.adapter is not None:
            self.adapters.release(seat.adapter)

    def _fail_all(self, seats: list[Seat], failure: Exception) -> list[Event]:
        for seat in seats:
            self._free(seat, is_clean=False)
        return [self._ended(seat.answer, failure) for seat in seats]

    def _unusable(self, seat: Seat) -> EngineError:
        """Why the logits of a row are no numbers: whose weights they are."""
        if seat.adapter is not None:
            return AdapterError("the logits are no numbers", reason="not_finite")
        return UnsupportedModelError("the logits are no numbers", name=self._resident.ref.name)

    def _ended(self, answer: Answer, failure: Exception) -> Event:
        answer.is_finished = True
        return ending(answer.work_id, failure, self._resident.device, usage=answer.usage)
