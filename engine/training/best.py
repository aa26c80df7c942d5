"""Which evaluation was the best, the adapter behind it, and when patience ends."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch


class BestAdapter:
    """Follows the held-out loss.

    Args:
        patience: evaluations without a better loss after which to stop; 0 never stops.
        is_kept: whether the weights of the best evaluation are held.
    """

    def __init__(self, patience: int, *, is_kept: bool) -> None:
        self._patience = patience
        self._loss = math.inf
        self._misses = 0
        self.is_kept = is_kept
        self.step = 0
        self.weights: dict[str, torch.Tensor] = {}

    def offer(self, loss: float) -> bool:
        """Take an evaluation of a trained adapter; returns whether it is the best so far."""
        if loss < self._loss:
            self._loss = loss
            self._misses = 0
            return True
        self._misses += 1
        return False

    def keep(self, step: int, weights: dict[str, torch.Tensor]) -> None:
        """Hold the weights of the best step, for the end."""
        self.step = step
        self.weights = weights

    @property
    def is_exhausted(self) -> bool:
        return 0 < self._patience <= self._misses

    def state(self) -> dict[str, Any]:
        """JSON values to go on from, without the weights."""
        loss = self._loss if math.isfinite(self._loss) else None
        return {"loss": loss, "misses": self._misses, "step": self.step}

    def load_state(self, state: Mapping[str, Any], weights: dict[str, torch.Tensor]) -> None:
        self._loss = math.inf if state["loss"] is None else float(state["loss"])
        self._misses = int(state["misses"])
        self.keep(int(state["step"]), weights)
