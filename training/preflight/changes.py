"""Changes of settings by the names that form and API give them, such as `training_config.max_length`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.config import LoraHyperparameters, TrainingHyperparameters

LORA_PREFIX = "lora_config"
TRAINING_PREFIX = "training_config"

Changes = Mapping[str, Any]


def lora_changes(**values: Any) -> dict[str, Any]:
    return {f"{LORA_PREFIX}.{name}": value for name, value in values.items()}


def training_changes(**values: Any) -> dict[str, Any]:
    return {f"{TRAINING_PREFIX}.{name}": value for name, value in values.items()}


def with_rank(lora: LoraHyperparameters, rank: int) -> dict[str, Any]:
    """Another rank for an adapter that speaks as strongly as before."""
    return lora_changes(r=rank, alpha=max(1.0, lora.alpha * rank / lora.r))


def changed(
    lora: LoraHyperparameters, training: TrainingHyperparameters, changes: Changes
) -> tuple[LoraHyperparameters, TrainingHyperparameters]:
    """The settings after the changes.

    Raises:
        InvalidConfigError: a change is out of range.
    """
    return (
        LoraHyperparameters.from_mapping(lora.to_dict() | _of(LORA_PREFIX, changes)),
        TrainingHyperparameters.from_mapping(training.to_dict() | _of(TRAINING_PREFIX, changes)),
    )


def _of(prefix: str, changes: Changes) -> dict[str, Any]:
    start = f"{prefix}."
    return {
        name.removeprefix(start): value for name, value in changes.items() if name.startswith(start)
    }
