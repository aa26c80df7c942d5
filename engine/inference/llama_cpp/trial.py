"""Whether llama.cpp may draw answers here, and how many at once: its predictions and its speed against the room's.

Both are found out once for a base model on a host. The speeds are taken in turns, and the fastest of a few counts, so
that whatever else the host does slows both sides.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from engine.config import SamplingParams
from engine.durable import write_bytes
from engine.inference.llama_cpp.model import READ_TOKENS, LlamaConversation, LlamaModel
from engine.inference.room import DecodeRoom
from engine.models.chat_precision import GATE_TEXTS, Quality, quality_by
from engine.protocol import GenerationSpec

if TYPE_CHECKING:
    from engine.models.loading import ResidentModel

ROWS = (1, 2, 4, 8)
"""Answers at once that are tried; beyond the last the room always draws."""

USUAL_TOKENS = 64
"""Of an answer of a lesson: what a longer reading of its prompt is weighed against."""

_SHORT_TEXT = "Tell me a long story."
_DRAWN_TOKENS = 24
_STEPS = 5
_BUSY = 2
"""Programs that want to compute for each core, beyond which speeds say little."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What was found out.

    Attributes:
        quality: of the predictions, against float32.
        room_seconds: of a step of the room by number of rows, as in ROWS.
        token_seconds: of a token of one answer in llama.cpp.
        room_read_seconds, read_seconds: of a token of a prompt, in the room and in llama.cpp.
    """

    quality: Quality
    room_seconds: tuple[float, ...]
    token_seconds: float
    room_read_seconds: float
    read_seconds: float

    @property
    def most_rows(self) -> int:
        """So many answers at once are drawn faster by llama.cpp; none when its predictions are too far off."""
        most = 0
        if self.quality.is_enough:
            for rows, seconds in zip(ROWS, self.room_seconds, strict=True):
                if rows * self.token_seconds > seconds:
                    break
                most = rows
        return most

    def is_worth(self, unread: int, max_tokens: int, rows: int) -> bool:
        """Whether what is lost by reading a prompt is won again by drawing its answer.

        Args:
            unread: tokens of the prompt.
            rows: answers at once, this one included; at most most_rows.
        """
        index = max(place for place, tried in enumerate(ROWS) if tried <= max(rows, 1))
        won = self.room_seconds[index] - ROWS[index] * self.token_seconds
        lost = self.read_seconds - self.room_read_seconds
        return unread * lost <= min(max_tokens, USUAL_TOKENS) * won


def remembered_trial(memory: Path, host: dict[str, Any], find_out: Callable[[], Trial]) -> Trial:
    """What this host found out first, for as long as it stays the same.

    Args:
        memory: file of it; where it can not be read or written, it is found out anew.
        host: names of processor, releases and ways to compute.

    Returns:
        It, whether it was kept or not: what a busy host told is good for now only.
    """
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        known = json.loads(memory.read_bytes())
        if known.pop("host") == host:
            quality = Quality(**known.pop("quality"))
            return Trial(quality, tuple(known.pop("room_seconds")), **known)
    trial = find_out()
    if os.getloadavg()[0] > _BUSY * (os.cpu_count() or 1):
        return trial
    draft = memory.with_suffix(".tmp")
    with contextlib.suppress(OSError):
        write_bytes(draft, json.dumps({"host": host} | asdict(trial)).encode())
        draft.replace(memory)
    return trial


@torch.no_grad()
def try_out(model: LlamaModel, resident: ResidentModel, *, threads: int) -> Trial:
    """Find it out: a few seconds of work on an idle host."""
    quality = llama_quality(model, resident, threads=threads)
    speeds = _Speeds(model, resident, threads)
    try:
        speeds.measure_reading()
        room_seconds = tuple(speeds.room_step(rows) for rows in ROWS)
    finally:
        speeds.close()
    return Trial(quality, room_seconds, min(speeds.token), min(speeds.room_read), min(speeds.read))


def llama_quality(model: LlamaModel, resident: ResidentModel, *, threads: int) -> Quality:
    """Hold llama.cpp's predictions against the resident model's in float32."""

    def predict(token_ids: list[int]) -> torch.Tensor:
        count = len(token_ids)
        conversation = LlamaConversation(model, None, count, threads=threads, outputs=count)
        try:
            logits = conversation.read(token_ids, is_each_wanted=True)
        finally:
            conversation.close()
        return logits[:-1].double().log_softmax(dim=-1)

    return quality_by(resident, predict)


class _Speeds:
    """Seconds of both sides, taken in turns.

    Attributes:
        token, read, room_read: measurements in seconds a token.
    """

    def __init__(self, model: LlamaModel, resident: ResidentModel, threads: int) -> None:
        room = resident.room
        self._resident = resident
        # Another room over the same weights: the answers under way are in the first one.
        self._room = DecodeRoom(resident, room.linears, precision=room.precision)
        self._conversation = LlamaConversation(model, None, 2 * READ_TOKENS, threads=threads)
        text = " ".join(GATE_TEXTS[:4])
        ids = resident.tokenizer(text, add_special_tokens=False)["input_ids"]
        self._token_ids = (ids * READ_TOKENS)[:READ_TOKENS]
        self.token: list[float] = []
        self.read: list[float] = []
        self.room_read: list[float] = []

    def measure_reading(self) -> None:
        """Of one prompt, on both sides."""
        for _ in range(2):
            self._conversation.forget_after(0)
            seconds = _seconds(lambda: self._conversation.read(self._token_ids))
            self.read.append(seconds / READ_TOKENS)
            answer = self._room.join("read", self._spec(" ".join(GATE_TEXTS[:2]), 1))
            seconds = 0.0
            while not answer.is_finished:
                seconds += _seconds(self._room.step)
            self.room_read.append(seconds / answer.usage["prompt_tokens"])

    def room_step(self, rows: int) -> float:
        """Of so many rows; measures a token of the other side as often."""
        for row in range(rows):
            self._room.join(str(row), self._spec(_SHORT_TEXT, _DRAWN_TOKENS))
        steps: list[float] = []
        while not self._room.is_idle and len(steps) < _STEPS:
            is_drawing, before = not self._room.has_newcomers, self._room.row_count
            seconds = _seconds(self._room.step)
            if is_drawing and before == rows:
                steps.append(seconds)
                self._conversation.forget_after(READ_TOKENS // 2)
                self.token.append(_seconds(lambda: self._conversation.read(self._token_ids[:1])))
        self._room.close()
        # Where no step was seen, the room counts as faster.
        return min(steps, default=0.0)

    def close(self) -> None:
        self._conversation.close()

    def _spec(self, text: str, tokens: int) -> GenerationSpec:
        sampling = SamplingParams.from_mapping({"temperature": 0, "max_tokens": tokens})
        return GenerationSpec(self._resident.ref, [{"role": "user", "content": text}], sampling)


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
