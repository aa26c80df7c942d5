"""Failures of the engine in words: what happened, why, and what to do, in both languages."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.utils import translation

from engine.errors import ERROR_CODES
from modelhub.sentences import engine_failure_sentence

JAPANESE = re.compile(r"[\u3041-\u30ff\u4e00-\u9fff]")
# The engine puts nothing else into these.
KNOWN_PARAMS: list[tuple[str, dict[str, Any]]] = [
    *((code, {}) for code in ERROR_CODES if code != "cancelled"),
    ("out_of_memory", {"mends": ["max_length"]}),
    (
        "out_of_memory",
        {"mends": ["gradient_checkpointing", "max_length", "batch_size", "r", "optimizer"]},
    ),
    ("diverged", {"step": 12, "learning_rate": 0.0333}),
    ("unsupported_variant", {"variant": "qlora", "device": "cpu"}),
    ("unsupported_variant", {"variant": "qlora", "device": "cuda"}),
    ("unsupported_variant", {"variant": "all", "reason": "no_bias"}),
    ("dataset_unusable", {"reason": "nothing_to_learn", "dropped_count": 3}),
    ("dataset_unusable", {"reason": "eval_nothing_to_learn", "dropped_count": 3}),
]


def said(code: str, params: dict[str, Any], language: str = "en") -> str:
    with translation.override(language):
        return engine_failure_sentence(code, params)


@pytest.mark.parametrize(("code", "params"), KNOWN_PARAMS)
def test_every_failure_is_worded_in_both_languages(code: str, params: dict[str, Any]) -> None:
    english, japanese = said(code, params), said(code, params, "ja")
    assert english.endswith((".", "!"))
    assert not JAPANESE.search(english)
    assert japanese.endswith("。")
    assert "%(" not in english + japanese


def test_what_needs_less_memory_is_told_the_most_useful_first() -> None:
    params = {"mends": ["gradient_checkpointing", "r", "no such setting"]}
    sentence = said("out_of_memory", params)
    assert "switch gradient checkpointing on; choose a smaller rank." in sentence
    assert "best first" in sentence


@pytest.mark.parametrize("params", [{}, {"mends": []}, {"mends": ["no such setting"]}])
def test_without_a_known_mend_the_usual_ones_are_told(params: dict[str, Any]) -> None:
    assert "Lower the batch size or the maximum length" in said("out_of_memory", params)


def test_divergence_names_the_rate_where_it_is_known() -> None:
    assert "stood at 0.033" in said("diverged", {"step": 12, "learning_rate": 0.03333})
    assert "at step 12" in said("diverged", {"step": 12})


def test_the_dataset_at_fault_is_named() -> None:
    unseen = said("dataset_unusable", {"reason": "eval_nothing_to_learn", "dropped_count": 3})
    assert "all 3" in unseen
    assert "evaluation dataset" in unseen
    own = said("dataset_unusable", {"reason": "nothing_to_learn", "dropped_count": 3})
    assert "evaluation dataset" not in own
