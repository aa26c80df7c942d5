"""Times and memory from measurements: a rule that made them is found again, and every part of a job counts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.config import LoraHyperparameters, TrainingHyperparameters
from engine.training.footprint import SHARE, ModelShape, PassPlan, least_bytes
from training.preflight.duration import Duration, duration_of, evaluation_count
from training.preflight.memory import TIGHT_SHARE, Memory, memory_of
from training.preflight.size import JobPlan
from training.preflight.speed import USUAL_RECOMPUTE_FACTOR, Passes, Speed
from training.preflight.tokens import TokenFit
from training.tests.preflight_factories import (
    LABEL_SECONDS,
    PAIR_SECONDS,
    PARAMETERS,
    PASS_SECONDS,
    RANK_SECONDS,
    TOKEN_SECONDS,
    UPDATE_SECONDS,
    cell,
    make_calibration,
)

SPEED = Speed.from_calibration(make_calibration())
SHAPE = ModelShape.from_dict(make_calibration()["shape"])
FIT = TokenFit(
    used=40,
    shortened=0,
    cut_answers=0,
    left_out=0,
    refused=0,
    mean_tokens=100.0,
    mean_needed=90.0,
    mean_square=8200.0,
    mean_labels=30.0,
    longest=120,
    prefix=20,
)
PLAN = JobPlan(
    trainable_parameters=PARAMETERS,
    trainable_share=0.02,
    effective_batch_size=4,
    example_count=40,
    eval_example_count=0,
    steps_per_epoch=10,
    total_steps=50,
    adapter_size_bytes=4 * PARAMETERS,
)
WHOLE = PassPlan(1024, recompute=False)


# --- speed ----------------------------------------------------------------------------------------


def test_the_rule_behind_the_measurements_is_found_again() -> None:
    assert SPEED.pass_seconds == pytest.approx(PASS_SECONDS)
    assert SPEED.token_seconds == pytest.approx(TOKEN_SECONDS)
    assert SPEED.pair_seconds == pytest.approx(PAIR_SECONDS)
    assert SPEED.label_seconds == pytest.approx(LABEL_SECONDS)
    assert SPEED.rank_seconds == pytest.approx(RANK_SECONDS)
    assert SPEED.recompute_factor == pytest.approx(1.5)
    assert SPEED.evaluation_factor == pytest.approx(0.4)
    assert SPEED.update(PARAMETERS) == pytest.approx(UPDATE_SECONDS)
    assert SPEED.update(8 * PARAMETERS) == pytest.approx(8 * UPDATE_SECONDS)


@pytest.mark.parametrize("rank", [8, 64])
@pytest.mark.parametrize("recompute", [False, True])
def test_a_measured_step_is_reckoned_as_it_was(rank: int, recompute: bool) -> None:
    step = cell(100, 5, rank=rank, recompute=recompute)
    passes = Passes(1, 500, 500 * 100, step["labels"])
    seconds = SPEED.training(passes, step["parameters"], recompute=recompute)
    assert seconds == pytest.approx(step["seconds"])


def test_on_a_slow_machine_two_measurements_are_enough() -> None:
    speed = Speed.from_calibration(make_calibration(steps=[cell(32, 1), cell(32, 8)]))
    assert speed.pass_seconds == pytest.approx(PASS_SECONDS)
    assert speed.recompute_factor == USUAL_RECOMPUTE_FACTOR
    assert (speed.pair_seconds, speed.rank_seconds) == (0, 0)
    assert speed.update(2 * PARAMETERS) == pytest.approx(2 * UPDATE_SECONDS)


def test_of_a_step_that_was_timed_again_the_quicker_time_counts() -> None:
    steps = make_calibration()["steps"]
    disturbed = [step | {"seconds": 3 * step["seconds"]} for step in steps]
    speed = Speed.from_calibration(make_calibration(steps=[*disturbed[:2], *steps]))
    assert speed.token_seconds == pytest.approx(TOKEN_SECONDS)
    assert speed.pass_seconds == pytest.approx(PASS_SECONDS)


def test_noise_makes_no_part_negative() -> None:
    one, many, wide = cell(32, 1), cell(32, 8), cell(256, 1)
    for noisy in (
        [one | {"seconds": 9.0}, many, wide],
        [one | {"seconds": 1e-6}, many, wide],
        [one, many, wide | {"seconds": 1e-6}],
        [one, many, wide | {"seconds": 90.0}],
        [one, many | {"seconds": 1e-6}, wide],
    ):
        speed = Speed.from_calibration(make_calibration(steps=noisy))
        assert speed.token_seconds > 0
        assert min(speed.pass_seconds, speed.pair_seconds) >= 0


# --- duration -------------------------------------------------------------------------------------


def duration(
    plan: JobPlan = PLAN,
    passes: PassPlan = WHOLE,
    prompts: int = 0,
    fit: TokenFit = FIT,
    **settings: Any,
) -> Duration:
    lora = LoraHyperparameters(dropout=settings.pop("dropout", 0.0))
    training = TrainingHyperparameters.from_mapping({"num_epochs": 5} | settings)
    return duration_of(SPEED, passes, plan, lora, training, fit, fit, prompts)


def test_a_job_is_the_sum_of_its_steps() -> None:
    tokens = 20 + 4 * 70
    step = (
        PASS_SECONDS
        + tokens * TOKEN_SECONDS
        + 4 * 8200 * PAIR_SECONDS
        + 4 * 30 * LABEL_SECONDS
        + UPDATE_SECONDS
    )
    assert duration().training == pytest.approx(50 * step)
    assert duration().evaluating == duration().sampling == 0
    assert duration().total == pytest.approx(duration().training + duration().preparing)


def test_with_dropout_nothing_is_shared() -> None:
    more = 50 * 3 * 20 * TOKEN_SECONDS
    assert duration(dropout=0.1).training == pytest.approx(duration().training + more)


def test_small_passes_cost_their_own_time_and_repeat_the_prefix() -> None:
    more = 50 * (PASS_SECONDS + 20 * TOKEN_SECONDS)
    halves = duration(passes=PassPlan(200, recompute=False))
    assert halves.training == pytest.approx(duration().training + more)
    # A pass holds one example at least.
    assert duration(passes=PassPlan(1, recompute=False)).training < 4 * duration().training


def test_each_measurement_costs_its_forward_passes() -> None:
    plan = replace(PLAN, eval_example_count=10)
    each_epoch, each_step = duration(plan), duration(plan, eval_steps=1)
    assert each_epoch.evaluating > 0
    # The base model is measured before the first step.
    assert each_step.evaluating == pytest.approx(each_epoch.evaluating * 51 / 6)
    assert evaluation_count(plan, TrainingHyperparameters(num_epochs=5, eval_steps=40)) == 2


def test_sample_answers_take_as_long_as_the_examples_answers() -> None:
    assert duration(prompts=2).sampling == pytest.approx(2 * (6 * 0.2 + (64 + 5 * 30) * 0.1))
    long = replace(FIT, mean_labels=500.0)
    assert duration(prompts=1, fit=long).sampling == pytest.approx(6 * 0.2 + 6 * 64 * 0.1)


# --- memory ---------------------------------------------------------------------------------------


def memory(available: float, factor: float = 1.0, **settings: Any) -> Memory:
    return memory_of(
        SHAPE,
        LoraHyperparameters(),
        TrainingHyperparameters.from_mapping(settings),
        longest=120,
        batch_tokens=360,
        resident_bytes=10**9,
        available_bytes=int(available),
        total_bytes=10**11,
        factor=factor,
    )


def least(**settings: Any) -> int:
    training = TrainingHyperparameters.from_mapping(settings)
    return least_bytes(SHAPE, LoraHyperparameters(), training, 120)


@pytest.mark.parametrize("checkpointing", ["on", "off"])
def test_the_verdict_follows_the_engines_own_rule(checkpointing: str) -> None:
    settings = {"gradient_checkpointing": checkpointing}
    room = least(**settings) / SHARE
    assert memory(0.99 * room, **settings).verdict == "does_not_fit"
    assert memory(1.01 * room, **settings).verdict == "tight"
    assert memory(0.99 * room / TIGHT_SHARE, **settings).verdict == "tight"
    assert memory(1.01 * room / TIGHT_SHARE, **settings).verdict == "fits"


def test_a_job_that_is_slowed_to_fit_is_tight() -> None:
    room = least(gradient_checkpointing="off") / SHARE
    short, ample = memory(0.9 * room), memory(1.5 * room)
    assert (short.verdict, short.is_slowed) == ("tight", True)
    assert (ample.verdict, ample.is_slowed) == ("fits", False)


def test_more_than_a_batch_is_never_held() -> None:
    ample = memory(1e11)
    assert ample.needed_bytes == memory(2e11).needed_bytes
    assert ample.memory_bytes == 10**9 + ample.needed_bytes


def test_what_the_device_was_seen_to_hold_is_told() -> None:
    told = memory(1e11, factor=1.5)
    assert told.memory_bytes == pytest.approx(10**9 + 1.5 * told.needed_bytes)
    assert told.verdict == memory(1e11).verdict
