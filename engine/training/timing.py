"""Single timings of the engine's work on this device, and how busy other programs keep it meanwhile."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import psutil
import torch

from engine.config import SamplingParams, TrainingHyperparameters
from engine.data.dataset import tokenize_file
from engine.data.records import Turn
from engine.inference.decode import decode
from engine.models.devices import Device, wait_for
from engine.models.loading import ResidentModel
from engine.training.loss import head_loss_and_gradient

Timing = Generator[None, None, dict[str, Any]]
"""Yields between small steps; returns what was measured."""

HEAD_LABELS = 128
ANSWER_TOKENS = 8
TOKENIZED_EXAMPLES = 64
QUESTION = "Write a long story about a lantern, a garden and the sea."
WORDS = "The old lantern hung beside the garden gate and burned until the morning came. "


class Burden:
    """How much of the processors other programs take meanwhile."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._started = time.perf_counter()
        self._busy_before, self._own_before = _busy_seconds(), self._own()

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._started

    @property
    def of_others(self) -> float:
        """Share of all processors, 0 to 1."""
        others = _busy_seconds() - self._busy_before - (self._own() - self._own_before)
        return min(1.0, max(0.0, others / (self.seconds * (psutil.cpu_count() or 1))))

    def _own(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)


def _busy_seconds() -> float:
    times = psutil.cpu_times()
    waiting = times.idle + getattr(times, "iowait", 0.0)
    return float(sum(times) - waiting - getattr(times, "guest", 0.0))


def time_head(resident: ResidentModel) -> dict[str, Any]:
    """What a learned position costs: its logits and their gradient."""
    head = resident.head_weight
    normed = torch.zeros(HEAD_LABELS, head.shape[1], dtype=head.dtype, device=head.device)
    labels = torch.zeros(HEAD_LABELS, dtype=torch.int64, device=head.device)
    started = time.perf_counter()
    with torch.no_grad():
        cap = resident.packed.architecture.logit_cap
        head_loss_and_gradient(normed, head, labels, resident.packed.products, cap)
    wait_for(resident.device)
    return {"labels": HEAD_LABELS, "seconds": time.perf_counter() - started}


def time_tokens(resident: ResidentModel) -> dict[str, Any]:
    """Seconds of turning text into tokens."""
    record = json.dumps({"prompt": WORDS * 2, "completion": WORDS})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "examples.jsonl"
        path.write_text(f"{record}\n" * TOKENIZED_EXAMPLES, encoding="utf-8")
        started = time.perf_counter()
        *_, file = tokenize_file(
            path, "completion", resident.chat_format, TrainingHyperparameters()
        )
        seconds = time.perf_counter() - started
    assert file is not None
    return {"tokens": file.token_count, "examples": TOKENIZED_EXAMPLES, "seconds": seconds}


def time_answer(resident: ResidentModel, adapter: str) -> Timing:
    """Seconds until the first token of an answer, and of those that follow; it may end early by itself."""
    sampling = SamplingParams(temperature=0.0, max_tokens=ANSWER_TOKENS)
    prompt = [1] * len(QUESTION.split())
    if resident.tokenizer.chat_template:
        prompt = resident.chat_format.prompt([Turn("user", QUESTION, False)])
    seconds: list[float] = []
    started = time.perf_counter()
    for _token in decode(resident, adapter, prompt[: resident.context_length // 2], sampling):
        seconds.append(time.perf_counter() - started)
        yield
        started = time.perf_counter()
    return {
        "prompt_tokens": len(prompt),
        "prefill_seconds": seconds[0],
        "tokens": len(seconds) - 1,
        "decode_seconds": sum(seconds[1:]),
    }


def timed(device: Device, work: Generator[None, None, Any]) -> tuple[float, bool]:
    """Seconds of the next part of a piece of work, and whether it was the last."""
    started = time.perf_counter()
    is_over = False
    try:
        next(work)
    except StopIteration:
        is_over = True
    wait_for(device)
    return time.perf_counter() - started, is_over


def held_bytes(device: Device) -> int:
    """What the engine holds now."""
    if device.kind == "cuda":
        return int(torch.cuda.memory_allocated())
    if device.kind == "mps":
        return int(torch.mps.driver_allocated_memory())
    return int(psutil.Process().memory_info().rss)
