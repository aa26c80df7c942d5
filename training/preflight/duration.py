"""How long a job takes on one device, from its start there to its saved adapter. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from engine.config import LoraHyperparameters, TrainingHyperparameters
from engine.protocol import SAMPLE_MAX_TOKENS
from engine.training.footprint import PassPlan
from training.preflight.size import JobPlan
from training.preflight.speed import Passes, Speed
from training.preflight.tokens import TokenFit

FIXED_SECONDS = 1.0
"""Fetching the data, writing the adapter and telling the rest: docs/experiments.md, 2026-11-25, has 0.8 s beside the
steps of a job in the engine, a part of which is the making of the adapter."""


@dataclass(frozen=True, slots=True)
class Duration:
    """Seconds of each part of a job."""

    preparing: float
    training: float
    evaluating: float
    sampling: float

    @property
    def total(self) -> float:
        return self.preparing + self.training + self.evaluating + self.sampling


def evaluation_count(plan: JobPlan, training: TrainingHyperparameters) -> int:
    """Measurements after the first step: at each interval, and at the end."""
    interval = training.eval_steps or plan.steps_per_epoch
    return math.ceil(plan.total_steps / interval)


def duration_of(
    speed: Speed,
    passes: PassPlan,
    plan: JobPlan,
    lora: LoraHyperparameters,
    training: TrainingHyperparameters,
    learned: TokenFit,
    measured: TokenFit,
    prompt_count: int,
) -> Duration:
    """Args:
    learned, measured: of the examples that are learned, and of those that are measured on.
    """
    parameters = plan.trainable_parameters
    # A step with dropout shares no prefix (engine.training.step).
    shares_prefix = lora.dropout == 0
    per_epoch = _passes(
        plan.example_count, plan.effective_batch_size, learned, passes, shares_prefix=shares_prefix
    )
    training_seconds = speed.training(
        per_epoch.times(training.num_epochs), parameters, recompute=passes.recompute
    ) + plan.total_steps * speed.update(parameters)
    evaluations = evaluation_count(plan, training) + 1
    held_out = plan.eval_example_count
    evaluating = 0.0
    if held_out:
        one = _passes(held_out, held_out, measured, passes, shares_prefix=True)
        evaluating = speed.evaluating(one.times(evaluations), parameters)
    prepared = plan.example_count * learned.mean_tokens + held_out * measured.mean_tokens
    return Duration(
        preparing=FIXED_SECONDS + speed.adapter_seconds + prepared * speed.prepared_token_seconds,
        training=training_seconds,
        evaluating=evaluating,
        sampling=_sampling(speed, prompt_count, evaluations, learned.mean_labels),
    )


def _passes(
    examples: int, batch: int, fit: TokenFit, plan: PassPlan, *, shares_prefix: bool
) -> Passes:
    """All passes over so many examples in batches."""
    prefix = fit.prefix if shares_prefix and batch > 1 else 0
    batches = math.ceil(examples / batch)
    own = fit.mean_needed - prefix
    room = max(1.0, plan.micro_batch_tokens - prefix)
    # Whole examples go into a pass, so a part of its room stays empty; a longer one has a pass to itself.
    in_one = max(1, int(room / own)) if own > 0 else batch
    each = math.ceil(batch / in_one)
    count = batches * each
    return Passes(
        count=count,
        tokens=count * prefix + examples * own,
        pairs=examples * fit.mean_square,
        labels=examples * fit.mean_labels,
    )


def _sampling(speed: Speed, prompts: int, evaluations: int, mean_labels: float) -> float:
    """The base model answers at length; the adapter soon answers as its examples do."""
    if not prompts or speed.answer_token_seconds is None:
        return 0.0
    tokens = SAMPLE_MAX_TOKENS + (evaluations - 1) * min(SAMPLE_MAX_TOKENS, mean_labels)
    return prompts * (evaluations * speed.prefill_seconds + tokens * speed.answer_token_seconds)
