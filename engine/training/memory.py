"""How a job's passes are cut by the memory that is free on the device now; engine.training.footprint counts it."""

from __future__ import annotations

from engine.config import LoraHyperparameters, TrainingHyperparameters
from engine.errors import OutOfMemoryError
from engine.models.attention import TILED_KEYS
from engine.models.devices import memory_report
from engine.models.loading import ResidentModel
from engine.training.footprint import (
    TILED_SCORES,
    ModelShape,
    PassPlan,
    fitting_passes,
    least_bytes,
    mends,
)
from engine.training.loss import CHUNK_POSITIONS


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
    shape = shape_of(resident)
    plan = fitting_passes(shape, lora, training, longest, report.available_bytes)
    if plan is None:
        raise OutOfMemoryError(
            total_bytes=report.total_bytes,
            available_bytes=report.available_bytes,
            needed_bytes=least_bytes(shape, lora, training, longest),
            mends=mends(lora, training),
        )
    return plan


def shape_of(resident: ResidentModel) -> ModelShape:
    """What of a resident model decides how much memory a pass takes."""
    return ModelShape(
        module_shapes=resident.module_shapes,
        layer_count=resident.layer_count,
        vocabulary_size=len(resident.head_weight),
        head_size=int(resident.decoder.layers[0].self_attn.head_dim),
        element_bytes=resident.device.dtype.itemsize,
        tiled_keys=_tiled_keys(resident),
        head_positions=CHUNK_POSITIONS,
        micro_batch_tokens=resident.device.micro_batch_tokens,
        kept_scores=_kept_scores(resident),
    )


def _tiled_keys(resident: ResidentModel) -> int:
    # With a cap, attention keeps its scores at any width.
    return resident.context_length if resident.packed.architecture.has_score_caps else TILED_KEYS


def _kept_scores(resident: ResidentModel) -> float:
    if not resident.packed.architecture.has_score_caps:
        return TILED_SCORES
    # Of a capped score the gradient needs what tanh and what softmax gave, and only tiles leave out what is ahead.
    return 2 * TILED_SCORES if resident.device.kind == "cpu" else 2.0
