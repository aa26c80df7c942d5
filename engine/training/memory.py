"""How much memory a pass needs, and so how many tokens go into one and whether blocks are computed twice.

The estimates count the tensors that the passes keep (docs/experiments.md holds them against what was allocated).
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.config import LoraHyperparameters, TrainingHyperparameters, trainable_parameter_count
from engine.errors import OutOfMemoryError
from engine.models.attention import TILED_KEYS
from engine.models.devices import memory_report
from engine.models.loading import ResidentModel
from engine.training.loss import CHUNK_POSITIONS

SHARE = 0.7
"""Of the free memory: the rest is for chats, other programs and what the estimate leaves out."""

_OPTIMIZER_COPIES = {"adamw": 4, "adafactor": 2}
"""Float32 copies of the adapter: weights, gradient, and AdamW's two moments."""


@dataclass(frozen=True, slots=True)
class PassPlan:
    """How a job's passes are cut.

    Attributes:
        micro_batch_tokens: most tokens of one pass; a longer example is a pass of its own.
        recompute: whether blocks are computed twice to keep less.
    """

    micro_batch_tokens: int
    recompute: bool


def plan_passes(
    resident: ResidentModel,
    lora: LoraHyperparameters,
    training: TrainingHyperparameters,
    longest: int,
) -> PassPlan:
    """The largest passes that fit into the memory that is free now.

    Args:
        longest: tokens of the longest example.

    Raises:
        OutOfMemoryError: not even one example at a time fits.
    """
    report = memory_report(resident.device)
    fixed = _adapter_bytes(resident, lora, training) + _head_bytes(resident)
    free = int(report.available_bytes * SHARE) - fixed
    most = resident.device.micro_batch_tokens
    for recompute in _choices(training.gradient_checkpointing):
        each = token_bytes(resident, longest, recompute=recompute)
        if longest * each <= free:
            return PassPlan(_rounded(min(most, free // each)), recompute)
    raise OutOfMemoryError(
        total_bytes=report.total_bytes,
        available_bytes=report.available_bytes,
        needed_bytes=fixed + longest * token_bytes(resident, longest, recompute=True),
        mends=mends(lora, training),
    )


def mends(lora: LoraHyperparameters, training: TrainingHyperparameters) -> list[str]:
    """Settings that need less memory when they are changed, the most useful first."""
    found = []
    if training.gradient_checkpointing == "off":
        found.append("gradient_checkpointing")
    found.append("max_length")
    if max(lora.r, *lora.rank_pattern.values(), 0) > 16:
        found.append("r")
        if training.optimizer != "adafactor":
            found.append("optimizer")
    return found


def token_bytes(resident: ResidentModel, width: int, *, recompute: bool) -> int:
    """Bytes that a pass keeps for one token of an example of `width` tokens."""
    shapes = resident.module_shapes
    hidden, inner = shapes["q_proj"][0], shapes["gate_proj"][1]
    query, key = shapes["q_proj"][1], shapes["k_proj"][1]
    element = resident.device.dtype.itemsize
    # Inputs, normalised inputs, heads before and after rotation and as attention keeps them, gates and their product;
    # the probabilities of half the examples' width for each query head.
    head_size = int(resident.decoder.layers[0].self_attn.head_dim)
    tiled = width if width <= TILED_KEYS else 0
    block = 5 * hidden + 3 * (query + 2 * key) + 3 * inner + query // head_size * tiled // 2
    kept = hidden if recompute else block
    # While a block is computed backward its own tensors are there a second time as gradients.
    return element * (resident.layer_count * kept + 2 * block)


def _rounded(tokens: int) -> int:
    """Down to a power of two: so that a little more or less free memory does not move a repeated job's last bits."""
    return 1 << max(0, tokens.bit_length() - 1)


def _choices(gradient_checkpointing: str) -> tuple[bool, ...]:
    return {"off": (False,), "on": (True,), "auto": (False, True)}[gradient_checkpointing]


def _adapter_bytes(
    resident: ResidentModel, lora: LoraHyperparameters, training: TrainingHyperparameters
) -> int:
    count = trainable_parameter_count(lora, resident.module_shapes, resident.layer_count)
    return 4 * count * _OPTIMIZER_COPIES[training.optimizer]


def _head_bytes(resident: ResidentModel) -> int:
    """The logits of one part of the head's work, and their half-precision copy where there is one."""
    return 2 * 4 * CHUNK_POSITIONS * len(resident.head_weight)
