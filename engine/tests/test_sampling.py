"""Drawing against transformers' own rules for the same settings."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import (
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from engine.config import InvalidConfigError, SamplingParams
from engine.inference.sampling import Sampler, draw

SEEN = [1, 5, 5, 7]


def allowed(logits: torch.Tensor, settings: dict[str, Any]) -> torch.Tensor:
    """Probabilities by transformers."""
    warpers: list[Any] = [
        RepetitionPenaltyLogitsProcessor(settings.get("repetition_penalty", 1.0)),
        TemperatureLogitsWarper(settings["temperature"]),
    ]
    if settings.get("top_k"):
        warpers.append(TopKLogitsWarper(settings["top_k"]))
    warpers.append(TopPLogitsWarper(settings["top_p"]))
    warped = LogitsProcessorList(warpers)(torch.tensor([SEEN]), logits.clone().unsqueeze(0))
    return warped.softmax(dim=-1)[0]


@pytest.mark.parametrize(
    "settings",
    [
        {"temperature": 1.0, "top_p": 0.7},
        {"temperature": 0.7, "top_p": 0.9, "top_k": 6},
        {"temperature": 1.5, "top_p": 1.0, "top_k": 4, "repetition_penalty": 1.5},
        {"temperature": 1.0, "top_p": 1.0, "repetition_penalty": 2.0},
    ],
)
def test_shares_are_those_of_transformers(settings: dict[str, Any]) -> None:
    logits = torch.randn(12, generator=torch.Generator().manual_seed(0)) * 2
    expected = allowed(logits, settings)
    rows = 4000
    samplers = [
        Sampler(SamplingParams.from_mapping(settings | {"seed": seed}), SEEN)
        for seed in range(rows)
    ]
    drawn = draw(samplers, logits.expand(rows, -1))
    shares = torch.bincount(torch.tensor(drawn), minlength=12) / rows
    assert not shares[expected == 0].any()
    # Four standard deviations of a binomial share at 4000 draws are below 0.032.
    assert (shares - expected).abs().max() < 0.032


@pytest.mark.parametrize("settings", [{"top_p": 0.9}, {"top_k": 900}, {"top_k": 900, "top_p": 0.5}])
def test_a_flat_distribution_draws_beyond_the_likeliest(settings: dict[str, Any]) -> None:
    logits = torch.linspace(0, 0.01, 2000)
    flat = {"temperature": 1.0, "top_p": 1.0} | settings
    expected = allowed(logits, flat)
    samplers = [Sampler(SamplingParams.from_mapping(flat | {"seed": s}), SEEN) for s in range(500)]
    drawn = torch.tensor(draw(samplers, logits.expand(500, -1)))
    assert bool((expected[drawn] > 0).all())
    count = int((expected > 0).sum())
    assert int(drawn.min()) < 2000 - count * 0.9


def test_greedy_counts_the_repetition_penalty_in() -> None:
    logits = torch.tensor([0.0, 3.0, 2.0, -1.0])
    greedy = SamplingParams.from_mapping({"temperature": 0, "repetition_penalty": 2})
    sampler = Sampler(greedy, [1])
    assert sampler.draw(logits) == 2
    assert sampler.draw(logits) == 1  # 3 / 2 is more than 2 / 2, now that 2 was drawn as well
    assert Sampler(greedy, [3]).draw(torch.tensor([-1.5, -9.0, -9.0, -1.0])) == 0


def test_rows_that_are_no_numbers_are_told() -> None:
    logits = torch.zeros(3, 4)
    logits[1, 2] = float("nan")
    sampling = SamplingParams(temperature=0.0)
    assert draw([Sampler(sampling) for _ in range(3)], logits) == [0, None, 0]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"temperature": float("nan")}, "not_a_number"),
        ({"top_k": True}, "not_a_number"),
        ({"top_k": 1.5}, "not_an_integer"),
        ({"repetition_penalty": float("inf")}, "not_a_number"),
        ({"logprobs": 6}, "out_of_range"),
        ({"stop": list("abcde")}, "too_many"),
        ({"stop": ["x" * 65]}, "too_long"),
        ({"stop": [1]}, "not_strings"),
        ({"stop": {"a": 1}}, "not_strings"),
    ],
)
def test_settings_out_of_range_are_refused(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidConfigError) as failure:
        SamplingParams.from_mapping(values)
    assert [fault.reason for fault in failure.value.faults] == [reason]


def test_stop_texts_are_read_as_a_tuple_and_written_as_a_list() -> None:
    sampling = SamplingParams.from_mapping({"stop": ["a", "", "a", "bc"]})
    assert sampling.stop == ("a", "bc")
    assert SamplingParams.from_mapping(sampling.to_dict()) == sampling
    assert SamplingParams.from_mapping({"stop": "END"}).stop == ("END",)
