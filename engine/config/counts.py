"""What follows from the hyperparameters in numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping

from engine.config.lora import LoraHyperparameters
from engine.config.training import TrainingHyperparameters


def steps_per_epoch(example_count: int, training: TrainingHyperparameters) -> int:
    """Optimizer steps in one epoch; the last, smaller batch counts as a step."""
    return max(1, math.ceil(example_count / training.effective_batch_size))


def held_out_count(example_count: int, eval_fraction: float) -> int:
    """Examples kept out of training: at least one when asked for, and at least one is left to learn from."""
    if eval_fraction <= 0 or example_count < 2:
        return 0
    return min(example_count - 1, max(1, round(example_count * eval_fraction)))


def trainable_parameter_count(
    lora: LoraHyperparameters, shapes: Mapping[str, tuple[int, int]], layer_count: int
) -> int:
    """Parameters of the adapter: r * (inputs + outputs) per target layer (arXiv 2106.09685, section 4.2).

    Args:
        lora: ranks, targets and variant; DoRA adds one magnitude per output (arXiv 2402.09353, section 4). Trained
            biases are not counted: they are the base model's own.
        shapes: module name to (inputs, outputs) of one block.
        layer_count: number of blocks.
    """
    total = 0
    for module in lora.target_modules:
        inputs, outputs = shapes[module]
        total += lora.rank_of(module) * (inputs + outputs)
        total += outputs if lora.variant == "dora" else 0
    return total * layer_count
