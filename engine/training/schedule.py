"""The learning rate at each optimizer step."""

from __future__ import annotations

import math

from engine.config import TrainingHyperparameters


def learning_rate_at(step: int, total_steps: int, training: TrainingHyperparameters) -> float:
    """Learning rate of one step.

    It rises in a line over the warm-up, whose first step already moves, and reaches its full
    value at the warm-up's last step. Then it stays (constant), falls in a line to zero (linear), or
    falls along half a cosine to zero (cosine; Loshchilov and Hutter 2016, arXiv 1608.03983,
    equation 5 without restarts). Zero would be reached one step after the last.

    Args:
        step: 1-based.
        total_steps: of the whole job.
    """
    warmup_steps = min(round(total_steps * training.warmup_ratio), total_steps - 1)
    if step <= warmup_steps:
        return training.learning_rate * step / warmup_steps
    share_done = (step - 1 - warmup_steps) / (total_steps - warmup_steps)
    if training.lr_scheduler == "constant":
        factor = 1.0
    elif training.lr_scheduler == "linear":
        factor = 1.0 - share_done
    else:
        factor = 0.5 * (1.0 + math.cos(math.pi * share_done))
    return training.learning_rate * factor
