"""The mean of the steps between two points of the curves."""

from __future__ import annotations

import time
from typing import Any

from engine.training.step import StepResult


class StepWindow:
    """Sums up optimizer steps until they are told as one StepEvent."""

    def __init__(self) -> None:
        self._loss_sum = 0.0
        self._label_count = 0
        self._token_count = 0
        self._started = time.monotonic()
        self._paused_at = 0.0

    def pause(self) -> None:
        """Stop the clock, for an evaluation between two steps."""
        self._paused_at = time.monotonic()

    def resume(self) -> None:
        """Let the clock go on."""
        self._started += time.monotonic() - self._paused_at

    def add(self, result: StepResult) -> None:
        self._loss_sum += result.loss_sum
        self._label_count += result.label_count
        self._token_count += result.token_count

    def flush(self, work_id: str, step: int, epoch: float, last: StepResult) -> dict[str, Any]:
        """The StepEvent of the steps since the last flush; learning rate and gradient are of the last one."""
        now = time.monotonic()
        duration_seconds = max(now - self._started, 1e-9)
        event = {
            "type": "step",
            "work_id": work_id,
            "step": step,
            "epoch": round(epoch, 6),
            "loss": self._loss_sum / self._label_count,
            "learning_rate": last.learning_rate,
            "grad_norm": last.grad_norm,
            "tokens_per_second": self._token_count / duration_seconds,
            "duration_seconds": duration_seconds,
        }
        self._loss_sum, self._label_count, self._token_count = 0.0, 0, 0
        self._started = now
        return event
