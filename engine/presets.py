"""Named starting points; docs/experiments.md tells what each was measured to do on the bundled base model.

Torch-free. Names follow the original system; the values are ours.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.config import LoraHyperparameters, TrainingHyperparameters
from engine.marking import _


@dataclass(frozen=True, slots=True)
class LoraPreset:
    name: str
    label: str
    help: str
    settings: LoraHyperparameters


@dataclass(frozen=True, slots=True)
class TrainingPreset:
    name: str
    label: str
    help: str
    settings: TrainingHyperparameters


LORA_PRESETS = (
    LoraPreset(
        "conservative",
        _("Conservative"),
        _("The smallest adapter: all seven layers at rank 4, for short and simple answers."),
        LoraHyperparameters(r=4, alpha=16),
    ),
    LoraPreset(
        "balanced",
        _("Balanced"),
        _("All seven layers at rank 8: the right start for nearly everything."),
        LoraHyperparameters(r=8, alpha=16),
    ),
    LoraPreset(
        "performance",
        _("Performance"),
        _("All seven layers at rank 16, for a few hundred examples."),
        LoraHyperparameters(r=16, alpha=32),
    ),
    LoraPreset(
        "maximum",
        _("Maximum"),
        _("All seven layers at rank 32, for large datasets."),
        LoraHyperparameters(r=32, alpha=64, dropout=0.05),
    ),
)

TRAINING_PRESETS = (
    TrainingPreset(
        "quick_test",
        _("Quick test"),
        _("Learns a handful of short answers by heart in less than a minute."),
        TrainingHyperparameters(learning_rate=2e-3, num_epochs=15, batch_size=5, max_length=256),
    ),
    TrainingPreset(
        "standard",
        _("Standard"),
        _("A sound start for some dozens of examples."),
        TrainingHyperparameters(learning_rate=1e-3, num_epochs=5, batch_size=4, max_length=512),
    ),
    TrainingPreset(
        "high_quality",
        _("High quality"),
        _("Slower and calmer, for some hundreds of examples."),
        TrainingHyperparameters(
            learning_rate=5e-4, num_epochs=5, batch_size=8, max_length=1024, warmup_ratio=0.15
        ),
    ),
    TrainingPreset(
        "best_quality",
        _("Best quality"),
        _("Many small steps with a held-out share and early stopping."),
        TrainingHyperparameters(
            learning_rate=2e-4,
            num_epochs=10,
            batch_size=4,
            max_length=2048,
            warmup_ratio=0.2,
            eval_fraction=0.1,
            early_stopping_patience=3,
        ),
    ),
)

DEFAULT_LORA_PRESET = "balanced"
DEFAULT_TRAINING_PRESET = "quick_test"
