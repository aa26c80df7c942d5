"""Settings that are known to do nothing, to blow up or to surprise, each with a change that mends it. Pure.

Thresholds that were measured stand with their place in docs/experiments.md; the others say where they come from.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from engine.config import LoraHyperparameters, TrainingHyperparameters
from training.preflight.changes import lora_changes, training_changes, with_rank

Level = Literal["danger", "warning", "info"]

ENOUGH_STEPS = 15
"""Five answers were learned by heart in so many steps of 2e-3, and a form of answers in as many of 5e-4
(docs/experiments.md, 2026-11-24)."""

FEW_STEPS = 10
"""Below it no run of docs/experiments.md learned anything; between it and ENOUGH_STEPS none was made."""

NO_EFFECT_PATH = 1e-3
"""Learning rate times steps. 5e-5 for one epoch on five examples, 2e-4 at most, changed nothing; 7.5e-3 (high quality,
24 examples) taught the form of the answers (docs/experiments.md, 2026-11-24). Between them nothing was measured, so
the line stands nearer to the lower one."""

LARGEST_LEARNING_RATE = 1e-2
"""At alpha of twice the rank. The largest that was measured to learn well is 2e-3; published adapters are trained with
1e-4 to 2e-3, and five times as much is beyond anything that was seen to hold."""

SOUND_LEARNING_RATE = 2e-3
USUAL_SCALING = 2.0
LARGEST_SCALING = 8.0
"""Alpha divided by rank. Usual are 1 and 2 (Hu et al. 2021; the presets); the conservative preset was measured at 4."""

MANY_EPOCHS = 30
"""Fifteen were enough to learn five answers by heart word for word (docs/experiments.md, 2026-11-24)."""

SMALL_DATASET = 100
"""Examples. An adapter of rank 8 has more weights than so many short answers have characters."""

TINY_DATASET = 50
LARGE_RANK = 64
LONG_WARMUP = 0.5
FEW_HELD_OUT = 3
"""Examples that are measured on: with fewer, one odd example decides."""

SOUND_EVAL_FRACTION = 0.1
LENGTH_STEP = 64


@dataclass(frozen=True, slots=True)
class Facts:
    """What the warnings look at.

    Attributes:
        example_count, held_out_count: learned and measured examples.
        evaluation_count: measurements after the first step.
        whole_answer_length: the least max_length that cuts no answer; 0 where it is not known.
        has_eval_dataset: the measured examples are a dataset of their own.
    """

    lora: LoraHyperparameters
    training: TrainingHyperparameters
    example_count: int
    held_out_count: int
    steps_per_epoch: int
    evaluation_count: int
    cut_answers: int = 0
    left_out: int = 0
    refused: int = 0
    whole_answer_length: int = 0
    context_length: int = 2048
    has_eval_dataset: bool = False

    @property
    def total_steps(self) -> int:
        return self.steps_per_epoch * self.training.num_epochs

    @property
    def scaling(self) -> float:
        """How strongly the adapter speaks."""
        root = self.lora.variant == "rslora"
        return self.lora.alpha / (math.sqrt(self.lora.r) if root else self.lora.r)


@dataclass(frozen=True, slots=True)
class Advice:
    """Attributes:
    code, params: make the sentence.
    changes: what mends it, by field; empty where no setting does.
    """

    code: str
    level: Level
    params: dict[str, Any] = field(default_factory=dict)
    changes: dict[str, Any] = field(default_factory=dict)


def warnings_of(facts: Facts) -> list[Advice]:
    """Everything that is worth a word, the gravest first."""
    found = [advice for check in CHECKS for advice in check(facts)]
    order: tuple[Level, ...] = ("danger", "warning", "info")
    return sorted(found, key=lambda advice: order.index(advice.level))


Check = Callable[[Facts], Iterator[Advice]]


def _refused(facts: Facts) -> Iterator[Advice]:
    if facts.refused:
        yield Advice("refused", "danger", {"count": facts.refused})


def _strength(facts: Facts) -> Iterator[Advice]:
    """Too strong: the learning rate, as alpha amplifies it."""
    rate = facts.training.learning_rate
    amplified = rate * max(1.0, facts.scaling / USUAL_SCALING)
    if amplified >= LARGEST_LEARNING_RATE:
        changes = training_changes(learning_rate=SOUND_LEARNING_RATE)
        if facts.scaling > LARGEST_SCALING:
            changes |= _usual_alpha(facts)
        yield Advice("diverges", "danger", {"rate": rate}, changes)
    elif facts.scaling > LARGEST_SCALING:
        params = {"scaling": facts.scaling, "usual": USUAL_SCALING}
        yield Advice("strong_alpha", "warning", params, _usual_alpha(facts))


def _usual_alpha(facts: Facts) -> dict[str, Any]:
    return lora_changes(alpha=USUAL_SCALING * facts.lora.r)


def _weakness(facts: Facts) -> Iterator[Advice]:
    """Too little: hardly any steps, or steps that hardly move anything."""
    steps, rate = facts.total_steps, facts.training.learning_rate
    epochs = min(100, math.ceil(ENOUGH_STEPS / facts.steps_per_epoch))
    enough = training_changes(num_epochs=epochs) if steps < ENOUGH_STEPS else {}
    if rate * steps < NO_EFFECT_PATH:
        changes = training_changes(learning_rate=SOUND_LEARNING_RATE) | enough
        yield Advice("no_effect", "danger", {"steps": steps, "rate": rate}, changes)
    elif steps < FEW_STEPS:
        yield Advice("few_steps", "warning", {"steps": steps, "enough": ENOUGH_STEPS}, enough)


def _warmup(facts: Facts) -> Iterator[Advice]:
    ratio, steps = facts.training.warmup_ratio, facts.total_steps
    if ratio > LONG_WARMUP or (steps > 1 and round(steps * ratio) >= steps - 1 > 0 and ratio > 0):
        params = {"warmup": min(round(steps * ratio), steps - 1), "steps": steps}
        yield Advice("long_warmup", "warning", params, training_changes(warmup_ratio=0.1))


def _batch(facts: Facts) -> Iterator[Advice]:
    batch = facts.training.effective_batch_size
    if batch > facts.example_count > 1:
        size = max(1, facts.example_count // 4)
        changes = training_changes(batch_size=size)
        if facts.training.gradient_accumulation_steps > 1:
            changes |= training_changes(gradient_accumulation_steps=1)
        params = {"batch": batch, "examples": facts.example_count}
        yield Advice("large_batch", "warning", params, changes)


def _measuring(facts: Facts) -> Iterator[Advice]:
    training = facts.training
    patience, held_out = training.early_stopping_patience, facts.held_out_count
    if training.eval_fraction > 0 and not held_out:
        yield Advice("nothing_held_out", "warning", {}, training_changes(eval_fraction=0.0))
    if patience and not held_out:
        changes = training_changes(early_stopping_patience=0)
        if facts.example_count >= FEW_HELD_OUT / SOUND_EVAL_FRACTION:
            changes = training_changes(eval_fraction=SOUND_EVAL_FRACTION)
        yield Advice("patience_unused", "warning", {}, changes)
    elif patience >= facts.evaluation_count and patience:
        params = {"patience": patience, "evaluations": facts.evaluation_count}
        less = facts.evaluation_count // 2
        yield Advice(
            "patience_too_long", "info", params, training_changes(early_stopping_patience=less)
        )
    if 0 < held_out < FEW_HELD_OUT and not facts.has_eval_dataset:
        yield Advice("few_held_out", "info", {"count": held_out})


def _examples(facts: Facts) -> Iterator[Advice]:
    """Answers that are cut, and examples that are left out."""
    longer: dict[str, Any] = {}
    wanted = -(-facts.whole_answer_length // LENGTH_STEP) * LENGTH_STEP
    most = min(4096, facts.context_length)
    if facts.training.max_length < wanted <= most:
        longer = training_changes(max_length=wanted)
    if facts.cut_answers:
        yield Advice("answers_cut", "warning", {"count": facts.cut_answers}, longer)
    if facts.left_out:
        changes = (
            training_changes(overlong="keep_answer") if facts.training.overlong == "drop" else {}
        )
        yield Advice("left_out", "warning", {"count": facts.left_out}, changes)


def _by_heart(facts: Facts) -> Iterator[Advice]:
    training, count = facts.training, facts.example_count
    if training.num_epochs > MANY_EPOCHS and count < SMALL_DATASET:
        params = {"epochs": training.num_epochs, "examples": count}
        yield Advice("by_heart", "info", params, training_changes(num_epochs=ENOUGH_STEPS))
    if facts.lora.r > LARGE_RANK and count < SMALL_DATASET:
        params = {"rank": facts.lora.r, "examples": count}
        yield Advice("large_rank", "info", params, with_rank(facts.lora, 16))
    if facts.lora.dropout > 0 and count < TINY_DATASET:
        yield Advice("dropout", "info", {"examples": count}, lora_changes(dropout=0.0))


def _curve(facts: Facts) -> Iterator[Advice]:
    if facts.training.logging_steps >= facts.total_steps > 1:
        params = {"interval": facts.training.logging_steps, "steps": facts.total_steps}
        yield Advice("no_curve", "info", params, training_changes(logging_steps=1))


CHECKS: tuple[Check, ...] = (
    _refused,
    _strength,
    _weakness,
    _examples,
    _warmup,
    _batch,
    _measuring,
    _by_heart,
    _curve,
)
