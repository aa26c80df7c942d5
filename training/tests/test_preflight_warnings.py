"""Each warning: the settings that raise it, its nearest neighbours that do not, and a change that ends it."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import translation

from engine.config import (
    LoraHyperparameters,
    TrainingHyperparameters,
    held_out_count,
    steps_per_epoch,
)
from engine.presets import TRAINING_PRESETS
from training.preflight.advice_sentences import advice_sentence
from training.preflight.change_words import changes_words
from training.preflight.changes import changed
from training.preflight.warnings import Advice, Facts, warnings_of

LORA = set(LoraHyperparameters.parameters())


def facts(examples: int = 40, **changes: Any) -> Facts:
    """Of sound settings over so many examples, with changes of settings and of counts."""
    lora = {name: changes.pop(name) for name in [*changes] if name in LORA}
    counts = {
        name: changes.pop(name)
        for name in ("cut_answers", "left_out", "refused", "whole_answer_length", "context_length")
        if name in changes
    }
    return of_settings(
        LoraHyperparameters.from_mapping(lora),
        TrainingHyperparameters.from_mapping(changes),
        examples,
        **counts,
    )


def of_settings(
    lora: LoraHyperparameters, training: TrainingHyperparameters, examples: int, **counts: int
) -> Facts:
    held_out = held_out_count(examples, training.eval_fraction)
    steps = steps_per_epoch(examples - held_out, training)
    total = steps * training.num_epochs
    return Facts(
        lora=lora,
        training=training,
        example_count=examples - held_out,
        held_out_count=held_out,
        steps_per_epoch=steps,
        evaluation_count=-(-total // (training.eval_steps or steps)),
        **counts,
    )


def codes(facts: Facts) -> list[str]:
    return [advice.code for advice in warnings_of(facts)]


ROWS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    # code, settings that raise it, the nearest that do not
    (
        "no_effect",
        {"examples": 5, "learning_rate": 5e-5, "num_epochs": 1},
        {"learning_rate": 2e-4, "num_epochs": 5},
    ),
    (
        "few_steps",
        {"learning_rate": 1e-3, "num_epochs": 9, "batch_size": 40},
        {"learning_rate": 1e-3, "num_epochs": 10, "batch_size": 40},
    ),
    ("diverges", {"learning_rate": 1e-2}, {"learning_rate": 9e-3}),
    ("diverges", {"learning_rate": 5e-3, "r": 8, "alpha": 32}, {"learning_rate": 5e-3}),
    ("strong_alpha", {"r": 4, "alpha": 33}, {"r": 4, "alpha": 32}),
    (
        "strong_alpha",
        {"r": 16, "alpha": 33, "variant": "rslora"},
        {"r": 16, "alpha": 32, "variant": "rslora"},
    ),
    ("long_warmup", {"warmup_ratio": 0.6}, {"warmup_ratio": 0.5}),
    ("large_batch", {"batch_size": 41}, {"batch_size": 40}),
    (
        "large_batch",
        {"batch_size": 8, "gradient_accumulation_steps": 8},
        {"batch_size": 8, "gradient_accumulation_steps": 4},
    ),
    ("nothing_held_out", {"examples": 1, "eval_fraction": 0.5}, {"eval_fraction": 0.5}),
    (
        "patience_unused",
        {"early_stopping_patience": 2},
        {"early_stopping_patience": 2, "eval_fraction": 0.1},
    ),
    (
        "patience_too_long",
        {"early_stopping_patience": 5, "eval_fraction": 0.1},
        {"early_stopping_patience": 4, "eval_fraction": 0.1},
    ),
    ("few_held_out", {"eval_fraction": 0.05}, {"eval_fraction": 0.1}),
    ("answers_cut", {"cut_answers": 1, "whole_answer_length": 700}, {"cut_answers": 0}),
    ("left_out", {"left_out": 1, "overlong": "drop"}, {"left_out": 0, "overlong": "drop"}),
    ("by_heart", {"num_epochs": 31}, {"num_epochs": 30}),
    ("by_heart", {"examples": 99, "num_epochs": 31}, {"examples": 100, "num_epochs": 31}),
    ("large_rank", {"r": 65, "alpha": 65}, {"r": 64, "alpha": 64}),
    ("dropout", {"dropout": 0.1}, {"examples": 50, "dropout": 0.1}),
    ("no_curve", {"logging_steps": 50}, {"logging_steps": 49}),
    ("refused", {"refused": 1}, {"refused": 0}),
]


@pytest.mark.parametrize(("code", "bad", "good"), ROWS)
def test_it_is_told_where_it_is_so_and_only_there(
    code: str, bad: dict[str, Any], good: dict[str, Any]
) -> None:
    assert code in codes(facts(**bad))
    assert code not in codes(facts(**good))


@pytest.mark.parametrize(("code", "bad", "good"), ROWS)
def test_its_change_ends_it(code: str, bad: dict[str, Any], good: dict[str, Any]) -> None:
    before = facts(**bad)
    advice = next(advice for advice in warnings_of(before) if advice.code == code)
    if not advice.changes:
        assert code in ("refused", "few_held_out")
        return
    lora, training = changed(before.lora, before.training, advice.changes)
    examples = before.example_count + before.held_out_count
    counts = {"left_out": before.left_out if training.overlong == "drop" else 0}
    if training.max_length >= before.whole_answer_length:
        counts["cut_answers"] = 0
    assert code not in codes(of_settings(lora, training, examples, **counts))


@pytest.mark.parametrize("language", ["en", "ja"])
def test_everything_is_said_in_whole_sentences(language: str) -> None:
    with translation.override(language):
        for code, bad, _good in ROWS:
            advice = next(each for each in warnings_of(facts(**bad)) if each.code == code)
            sentence = advice_sentence(advice)
            assert sentence.endswith((".", "。"))
            assert "%" not in sentence
            if advice.changes:
                assert changes_words(advice.changes)


def test_the_course_preset_that_changes_nothing_is_caught_and_mended() -> None:
    """5e-5 for one epoch on five examples: the loss is 1.98 before and after."""
    [advice] = warnings_of(facts(5, learning_rate=5e-5, num_epochs=1))
    assert (advice.code, advice.level) == ("no_effect", "danger")
    assert advice.changes == {
        "training_config.learning_rate": 2e-3,
        "training_config.num_epochs": 8,
    }


@pytest.mark.parametrize(
    ("preset", "examples"), [("quick_test", 5), ("standard", 24), ("high_quality", 200)]
)
def test_the_presets_are_sound_for_what_they_are_made_for(preset: str, examples: int) -> None:
    settings = next(each.settings for each in TRAINING_PRESETS if each.name == preset)
    assert not warnings_of(of_settings(LoraHyperparameters(), settings, examples))


def test_the_gravest_stands_first() -> None:
    found = warnings_of(facts(logging_steps=1000, learning_rate=0.1, warmup_ratio=0.9))
    assert [advice.level for advice in found] == ["danger", "warning", "info"]


def test_an_answer_that_no_length_holds_has_no_button() -> None:
    found = warnings_of(facts(cut_answers=1, whole_answer_length=3000, context_length=2048))
    assert found == [Advice("answers_cut", "warning", {"count": 1})]


def test_a_single_step_is_not_all_warm_up() -> None:
    assert "long_warmup" not in codes(facts(1, num_epochs=1, learning_rate=5e-3, warmup_ratio=0.1))
