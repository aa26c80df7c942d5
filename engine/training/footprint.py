"""How much memory a pass needs, from the shape of a model alone. Torch-free, so that it can be told before a start.

The estimates count the tensors that the passes keep (docs/experiments.md holds them against what was allocated).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from engine.config import LoraHyperparameters, TrainingHyperparameters, trainable_parameter_count

SHARE = 0.7
"""Of the free memory: the rest is for chats, other programs and what the estimate leaves out."""

HIGH_RANK = 16
"""Above it the adapter itself, and what the optimizer keeps beside it, takes memory worth saving."""

TILED_SCORES = 0.5
"""Of a matrix of (width x width): tiles leave out what is ahead of the diagonal."""

_FLOAT32_BYTES = 4
_OPTIMIZER_COPIES = {"adamw": 4, "adafactor": 2}
"""Float32 copies of the adapter: weights, gradient, and AdamW's two moments."""


@dataclass(frozen=True, slots=True)
class ModelShape:
    """What of a resident base model and its device decides how much memory a pass takes.

    Attributes:
        module_shapes: target module to (inputs, outputs).
        head_size: width of one attention head.
        element_bytes: of one activation.
        tiled_keys: up to this width attention keeps its scores.
        head_positions: positions whose logits are held at once.
        micro_batch_tokens: most tokens of one pass on this device.
        kept_scores: how many matrices of (width x width) attention keeps for each query head, up to tiled_keys: half of
            one as probabilities in tiles; with a cap the bent scores as well, and both whole where no tiles are cut.
    """

    module_shapes: Mapping[str, tuple[int, int]]
    layer_count: int
    vocabulary_size: int
    head_size: int
    element_bytes: int
    tiled_keys: int
    head_positions: int
    micro_batch_tokens: int
    kept_scores: float = TILED_SCORES

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of to_dict."""
        shapes = {name: (pair[0], pair[1]) for name, pair in values["module_shapes"].items()}
        return cls(**{**values, "module_shapes": shapes})

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class PassPlan:
    """How a job's passes are cut.

    Attributes:
        micro_batch_tokens: most tokens of one pass; a longer example is a pass of its own.
        recompute: whether blocks are computed twice to keep less.
    """

    micro_batch_tokens: int
    recompute: bool


def fitting_passes(
    shape: ModelShape,
    lora: LoraHyperparameters,
    training: TrainingHyperparameters,
    longest: int,
    available_bytes: int,
) -> PassPlan | None:
    """The largest passes that fit into so much free memory, or None where not even one example at a time does."""
    free = int(available_bytes * SHARE) - fixed_bytes(shape, lora, training)
    for recompute in recompute_choices(training):
        each = token_bytes(shape, longest, recompute=recompute)
        if longest * each <= free:
            return PassPlan(_rounded(min(shape.micro_batch_tokens, free // each)), recompute)
    return None


def least_bytes(
    shape: ModelShape,
    lora: LoraHyperparameters,
    training: TrainingHyperparameters,
    longest: int,
) -> int:
    """Bytes without which the longest example can not be learned, at its thriftiest."""
    recompute = recompute_choices(training)[-1]
    return fixed_bytes(shape, lora, training) + longest * token_bytes(
        shape, longest, recompute=recompute
    )


def mends(lora: LoraHyperparameters, training: TrainingHyperparameters) -> list[str]:
    """Settings that need less memory when they are changed, the most useful first."""
    found = []
    if training.gradient_checkpointing == "off":
        found.append("gradient_checkpointing")
    found.append("max_length")
    if max(lora.r, *lora.rank_pattern.values(), 0) > HIGH_RANK:
        found.append("r")
        if training.optimizer != "adafactor":
            found.append("optimizer")
    return found


def token_bytes(shape: ModelShape, width: int, *, recompute: bool) -> int:
    """Bytes that a pass keeps for one token of an example of `width` tokens."""
    shapes = shape.module_shapes
    hidden, inner = shapes["q_proj"][0], shapes["gate_proj"][1]
    query, key = shapes["q_proj"][1], shapes["k_proj"][1]
    # Inputs, normalised inputs, heads before and after rotation and as attention keeps them, gates and their product.
    block = 5 * hidden + 3 * (query + 2 * key) + 3 * inner + score_elements(shape, width)
    kept = hidden if recompute else block
    # While a block is computed backward its own tensors are there a second time as gradients.
    return shape.element_bytes * (shape.layer_count * kept + 2 * block)


def score_elements(shape: ModelShape, width: int) -> int:
    """Scores that attention keeps for one token of an example of `width` tokens, of all query heads together."""
    heads = shape.module_shapes["q_proj"][1] // shape.head_size
    return int(heads * width * shape.kept_scores) if width <= shape.tiled_keys else 0


def fixed_bytes(
    shape: ModelShape, lora: LoraHyperparameters, training: TrainingHyperparameters
) -> int:
    """Bytes that a job holds whatever its examples are: the adapter with its optimizer, and the head's logits."""
    count = trainable_parameter_count(lora, shape.module_shapes, shape.layer_count)
    adapter = _FLOAT32_BYTES * count * _OPTIMIZER_COPIES[training.optimizer]
    # The logits of one part of the head's work, and their half-precision copy where there is one.
    return adapter + 2 * _FLOAT32_BYTES * shape.head_positions * shape.vocabulary_size


def recompute_choices(training: TrainingHyperparameters) -> tuple[bool, ...]:
    """Whether blocks may be computed twice, the wish first."""
    return {"off": (False,), "on": (True,), "auto": (False, True)}[training.gradient_checkpointing]


def _rounded(tokens: int) -> int:
    """Down to a power of two: so that a little more or less free memory does not move a repeated job's last bits."""
    return 1 << max(0, tokens.bit_length() - 1)
