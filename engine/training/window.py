"""The mean of the steps between two points of the curves."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from engine.training.step import StepResult


class StepWindow:
    """Sums up optimizer steps until they are told as one point of the curves."""

    def __init__(self) -> None:
        self._loss_sum = 0.0
        self._label_count = 0
        self._token_count = 0
        self._learning_rate = 0.0
        self._grad_norm = 0.0
        self._started = time.monotonic()
        self._paused_at: float | None = None

    @property
    def is_empty(self) -> bool:
        return self._label_count == 0

    def restart(self) -> None:
        """Count the time from now on."""
        self._started, self._paused_at = time.monotonic(), None

    def pause(self) -> None:
        """Stop the clock: something else than a step goes on."""
        if self._paused_at is None:
            self._paused_at = time.monotonic()

    def resume(self) -> None:
        """Let the clock go on."""
        if self._paused_at is not None:
            self._started += time.monotonic() - self._paused_at
            self._paused_at = None

    def add(self, result: StepResult) -> None:
        self._loss_sum += result.loss_sum
        self._label_count += result.label_count
        self._token_count += result.token_count
        self._learning_rate, self._grad_norm = result.learning_rate, result.grad_norm

    def flush(self, step: int, epoch: float) -> dict[str, Any]:
        """Values of the StepEvent of the steps since the last flush; rate and gradient are of the last one."""
        now = time.monotonic()
        duration_seconds = max(now - self._started, 1e-9)
        values = {
            "step": step,
            "epoch": round(epoch, 6),
            "loss": self._loss_sum / self._label_count,
            "learning_rate": self._learning_rate,
            "grad_norm": self._grad_norm,
            "tokens_per_second": self._token_count / duration_seconds,
            "duration_seconds": duration_seconds,
        }
        self._loss_sum, self._label_count, self._token_count = 0.0, 0, 0
        self._started = now
        return values

    def state(self) -> dict[str, Any]:
        """JSON values to go on from; the time so far is not among them."""
        return {
            "loss_sum": self._loss_sum,
            "label_count": self._label_count,
            "token_count": self._token_count,
            "learning_rate": self._learning_rate,
            "grad_norm": self._grad_norm,
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        self._loss_sum = float(state["loss_sum"])
        self._label_count = int(state["label_count"])
        self._token_count = int(state["token_count"])
        self._learning_rate = float(state["learning_rate"])
        self._grad_norm = float(state["grad_norm"])
