"""Early stopping: which evaluation was the best, its adapter, and when patience ends."""

from __future__ import annotations

import math

import torch


class BestAdapter:
    """Follows the held-out loss.

    Args:
        patience: evaluations without a better loss after which to stop; 0 never stops.
    """

    def __init__(self, patience: int) -> None:
        self._patience = patience
        self._loss = math.inf
        self._misses = 0
        self.step = 0
        self.state: dict[str, torch.Tensor] = {}

    def offer(self, loss: float) -> bool:
        """Take an evaluation of a trained adapter; returns whether it is the best so far."""
        if loss < self._loss:
            self._loss = loss
            self._misses = 0
            return True
        self._misses += 1
        return False

    def keep(self, step: int, state: dict[str, torch.Tensor]) -> None:
        """Hold the weights of the best step, for the end."""
        self.step = step
        self.state = state

    @property
    def is_exhausted(self) -> bool:
        return 0 < self._patience <= self._misses
