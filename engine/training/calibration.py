"""How fast this device trains, measures and answers with a base model: a few real passes on random tokens, timed.

It gives what was measured and no model of it; how long a job takes is reckoned from it on the web side, torch-free
(training.preflight.speed). It takes a few seconds, and ends at once when the engine gets anything else to do.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from engine.config import LoraHyperparameters, TrainingHyperparameters
from engine.data.batching import Row
from engine.errors import CancelledError
from engine.models.devices import Device, memory_report, peak_memory_bytes, reset_peak_memory
from engine.models.loading import ModelHost, ResidentModel
from engine.protocol import BaseModelRef
from engine.signals import Signals
from engine.training.footprint import PassPlan, fixed_bytes, token_bytes
from engine.training.memory import shape_of
from engine.training.step import Stepper
from engine.training.timing import (
    Burden,
    Timing,
    held_bytes,
    time_answer,
    time_head,
    time_tokens,
    timed,
)

Event = dict[str, Any]

WIDTHS = {"cpu": (32, 256), "cuda": (128, 2048), "mps": (64, 512)}
"""Tokens of a short and of a long example: so many short ones as one long one has tokens are a pass as well."""

RANKS = (8, 64)
ENOUGH_SECONDS = 6.0
"""After so long, as on a busy machine, no further step is timed."""

NEEDED_CELLS = 2


@dataclass(frozen=True, slots=True)
class Cell:
    """One kind of optimizer step: `count` examples of `width` tokens, the second half of each learned."""

    width: int
    count: int
    rank: int = RANKS[0]
    recompute: bool = False

    @property
    def tokens(self) -> int:
        return self.width * self.count


class CalibrationRun:
    """The measurement as work of the engine's loop.

    Args:
        work_id: repeated in the one event.
        is_alone: whether the engine has nothing else to do.
    """

    has_begun = True

    def __init__(
        self,
        work_id: str,
        ref: BaseModelRef,
        host: ModelHost,
        signals: Signals | None = None,
        is_alone: Callable[[], bool] = lambda: True,
    ) -> None:
        self.work_id = work_id
        self.signals = signals or Signals()
        self.is_finished = False
        self._ref = ref
        self._host = host
        self._is_alone = is_alone
        self._resident: ResidentModel | None = None
        self._adapters: dict[int, str] = {}
        self._progress = self._live()

    def __iter__(self) -> Iterator[Event]:
        while not self.is_finished:
            yield from self.advance()

    def advance(self) -> list[Event]:
        """Do one small step; the last gives the `measured` event.

        Raises:
            CancelledError: somebody waits for the device, or it was asked for.
        """
        if self.is_finished:
            return []
        try:
            self.signals.raise_if_cancelled()
            if not self._is_alone():
                raise CancelledError("other work came")
            events = next(self._progress)
        except BaseException:
            self.close()
            raise
        if events:
            self.close()
        return events

    def close(self) -> None:
        """Give back the adapters and the model."""
        self.is_finished = True
        self._progress.close()
        if self._resident is not None:
            for adapter in self._adapters.values():
                self._resident.adapters.delete(adapter)
            self._host.release(self._resident)
            self._resident = None

    def _live(self) -> Generator[list[Event]]:
        was_resident = self._host.is_resident(self._ref)
        started = time.perf_counter()
        resident = self._resident = self._host.acquire(self._ref)
        load_seconds = None if was_resident else time.perf_counter() - started
        report = memory_report(resident.device)
        found: dict[str, Any] = {
            "load_seconds": load_seconds,
            "shape": shape_of(resident).to_dict(),
            "total_bytes": report.total_bytes,
            "available_bytes": report.available_bytes,
            "device": resident.device.kind,
            "device_name": resident.device.name,
            "dtype": resident.device.dtype_name,
            "products": self._host.products.name,
            "threads": torch.get_num_threads(),
        }
        burden = Burden()
        started = time.perf_counter()
        self._adapter(resident, RANKS[0])
        adapter_seconds = time.perf_counter() - started
        yield []
        cells = _cells(resident.device)
        yield from _told(
            self._time_step(resident, cells[0])
        )  # the first pass of a process is slower, and what it sets up stays
        found["steps"] = []
        for cell in cells:
            if len(found["steps"]) < NEEDED_CELLS or burden.seconds < ENOUGH_SECONDS:
                found["steps"].append((yield from _told(self._time_step(resident, cell))))
        found |= yield from _told(self._weigh_step(resident, cells[1]))
        found["evaluation"] = yield from _told(self._time_evaluation(resident, cells[1]))
        found["head"] = time_head(resident)
        yield []
        found["answer"] = yield from _told(time_answer(resident, self._adapters[RANKS[0]]))
        found["preparation"] = time_tokens(resident) | {"adapter_seconds": adapter_seconds}
        found["seconds"], found["other_load"] = burden.seconds, burden.of_others
        yield [{"type": "measured", "work_id": self.work_id, "calibration": found}]

    def _stepper(self, resident: ResidentModel, cell: Cell) -> Stepper:
        plan = PassPlan(cell.tokens, cell.recompute)
        return Stepper(
            resident, self._adapter(resident, cell.rank), TrainingHyperparameters(), plan
        )

    def _adapter(self, resident: ResidentModel, rank: int) -> str:
        if rank not in self._adapters:
            self._adapters[rank] = resident.adapters.add(_lora(rank), seed=0)
        return self._adapters[rank]

    def _time_step(self, resident: ResidentModel, cell: Cell) -> Timing:
        """Seconds of the passes and of the update after them, which changes nothing: its learning rate is zero."""
        stepper = self._stepper(resident, cell)
        rows = _rows(resident, cell)
        work = stepper.step(rows, 0.0)
        passes = 0.0
        while True:
            part, is_over = timed(resident.device, work)
            if is_over:
                break
            passes += part
            yield
        return {
            "width": cell.width,
            "count": cell.count,
            "rank": cell.rank,
            "recompute": cell.recompute,
            "labels": sum(row.label_count for row in rows),
            "parameters": sum(parameter.numel() for parameter in stepper.parameters),
            "seconds": passes,
            "update_seconds": part,
            "tokens_per_second": cell.tokens / (passes + part),
        }

    def _weigh_step(self, resident: ResidentModel, cell: Cell) -> Timing:
        """Bytes held before a step, and the most in it beside what engine.training.footprint reckons for it."""
        reset_peak_memory(resident.device)
        before = held_bytes(resident.device)
        yield from self._time_step(resident, cell)
        shape, lora, training = shape_of(resident), _lora(cell.rank), TrainingHyperparameters()
        reckoned = fixed_bytes(shape, lora, training) + cell.tokens * token_bytes(
            shape, cell.width, recompute=cell.recompute
        )
        return {
            "resident_bytes": before,
            "step_bytes": max(0, peak_memory_bytes(resident.device) - before),
            "reckoned_bytes": reckoned,
        }

    def _time_evaluation(self, resident: ResidentModel, cell: Cell) -> Timing:
        stepper = self._stepper(resident, cell)
        work = stepper.evaluate(_rows(resident, cell))
        seconds, is_over = 0.0, False
        while not is_over:
            part, is_over = timed(resident.device, work)
            seconds += part
            yield
        return {"width": cell.width, "count": cell.count, "seconds": seconds}


def _lora(rank: int) -> LoraHyperparameters:
    return LoraHyperparameters(r=rank, alpha=2.0 * rank)


def _cells(device: Device) -> list[Cell]:
    """What a pass costs by itself, by its tokens, by their width, by the rank, and when blocks are computed twice.

    The first two say the most, so they are timed again.
    """
    narrow, wide = WIDTHS[device.kind]
    many = wide // narrow
    return [
        Cell(narrow, 1),
        Cell(narrow, many),
        Cell(narrow, 1),
        Cell(narrow, many),
        Cell(wide, 1),
        Cell(narrow, many // 2, recompute=True),
        Cell(narrow, many // 2, rank=RANKS[1]),
    ]


def _rows(resident: ResidentModel, cell: Cell) -> list[Row]:
    vocabulary = len(resident.head_weight)
    generator = torch.Generator().manual_seed(cell.tokens)
    ids = torch.randint(vocabulary, (cell.count, cell.width), generator=generator)
    # Nothing is shared, whatever was drawn.
    ids[:, 0] = torch.arange(cell.count) % vocabulary
    half = cell.width // 2
    mask = bytes([0] * half + [1] * (cell.width - half))
    return [Row(array("i", row), mask) for row in ids.tolist()]


def _told(work: Timing) -> Generator[list[Event], None, dict[str, Any]]:
    """Work that yields between its parts, as steps without events."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            result: dict[str, Any] = end.value
            return result
        yield []
