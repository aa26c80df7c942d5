"""The next experiment to try: which settings to change, and to what. Names are those of the new-job form."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from engine.config import TrainingHyperparameters
from training.diagnosis.facts import JobFacts

Experiment = dict[str, Any]
"""{"code": what to do, "params": setting with its prefix to its new value}."""

SOUND_LEARNING_RATE = TrainingHyperparameters().learning_rate
HELD_OUT_SHARE = 0.2
MIN_EXAMPLES_TO_HOLD_OUT = 10

_MAX_EPOCHS = int(TrainingHyperparameters.parameters()["num_epochs"].maximum or 1)
_MAX_LENGTH = int(TrainingHyperparameters.parameters()["max_length"].maximum or 1)
_MAX_ACCUMULATION = int(
    TrainingHyperparameters.parameters()["gradient_accumulation_steps"].maximum or 1
)
_MIN_LEARNING_RATE = float(TrainingHyperparameters.parameters()["learning_rate"].minimum or 0)


def _experiment(code: str, **params: Any) -> Experiment:
    return {"code": code, "params": params}


def _training(code: str, **settings: Any) -> Experiment:
    return _experiment(
        code, **{f"training_config.{name}": value for name, value in settings.items()}
    )


def learn_more(facts: JobFacts) -> Experiment:
    """For a job without effect."""
    rate = facts.training.learning_rate
    if rate < SOUND_LEARNING_RATE / 2:
        return _training(
            "raise_learning_rate", learning_rate=_rounded(max(rate * 5, SOUND_LEARNING_RATE))
        )
    return train_longer(facts, 3)


def train_longer(facts: JobFacts, factor: int = 2) -> Experiment:
    epochs = facts.training.num_epochs
    if epochs >= _MAX_EPOCHS:
        return _training(
            "raise_learning_rate", learning_rate=_rounded(facts.training.learning_rate * 2)
        )
    return _training("more_epochs", num_epochs=min(_MAX_EPOCHS, epochs * factor))


def stop_at_best(facts: JobFacts, best_step: int) -> Experiment:
    """For a job that went on to learn by heart."""
    epochs = math.ceil(best_step / facts.steps_in_epoch)
    if 0 < epochs < facts.training.num_epochs:
        return _training("fewer_epochs", num_epochs=epochs)
    return calmer(facts, 3)


def calmer(facts: JobFacts, divisor: int = 3) -> Experiment:
    rate = max(_MIN_LEARNING_RATE, facts.training.learning_rate / divisor)
    settings: dict[str, Any] = {"learning_rate": _rounded(rate)}
    if not facts.training.max_grad_norm:
        settings["max_grad_norm"] = TrainingHyperparameters().max_grad_norm
    return _training("lower_learning_rate", **settings)


def larger_steps(facts: JobFacts) -> Experiment:
    """For a loss that jumps with the examples of each batch."""
    accumulation = facts.training.gradient_accumulation_steps
    return _training(
        "more_accumulation",
        gradient_accumulation_steps=min(_MAX_ACCUMULATION, accumulation * 4),
    )


def longer_examples(facts: JobFacts) -> Experiment:
    """For answers that lost their end."""
    limit = min(_MAX_LENGTH, facts.context_length or _MAX_LENGTH)
    if facts.training.max_length < limit:
        return _training("longer_examples", max_length=min(limit, facts.training.max_length * 2))
    return _experiment("shorter_answers")


def hold_out(facts: JobFacts) -> Experiment:
    if facts.example_count < MIN_EXAMPLES_TO_HOLD_OUT:
        return add_examples()
    return _training("hold_out", eval_fraction=HELD_OUT_SHARE)


def go_on(facts: JobFacts, *, is_measured: bool) -> Experiment:
    """For a good job: prove it on held-out examples, then see whether less does as well."""
    if not is_measured:
        return hold_out(facts)
    if facts.lora.r < 2 or facts.lora.rank_pattern:
        return add_examples()
    return _experiment(
        "smaller_rank",
        **{"lora_config.r": facts.lora.r // 2, "lora_config.alpha": max(1.0, facts.lora.alpha / 2)},
    )


def need_less_memory(facts: JobFacts, mends: Mapping[str, Any] | list[str]) -> Experiment:
    """The engine's first mend as a change of settings."""
    settings = facts.training
    for mend in mends:
        if mend == "gradient_checkpointing":
            return _training("compute_twice", gradient_checkpointing="auto")
        if mend == "max_length" and settings.max_length > 64:
            return _training("shorter_examples", max_length=max(64, settings.max_length // 2))
        if mend == "r":
            return _experiment("smaller_rank_for_memory", **{"lora_config.r": facts.lora.r // 2})
        if mend == "optimizer":
            return _training("smaller_optimizer", optimizer="adafactor")
    return _training("shorter_examples", max_length=max(64, settings.max_length // 2))


def add_examples() -> Experiment:
    return _experiment("add_examples")


def _rounded(rate: float) -> float:
    """One significant digit: a rate that a person would write."""
    return float(f"{rate:.0e}")
