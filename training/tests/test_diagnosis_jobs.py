"""Real jobs, each made to show one thing, and what the diagnosis finds in their own numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from engine.models.devices import choose_device
from engine.models.loading import ModelHost
from engine.protocol import BaseModelRef
from engine.tests.factories import make_training_spec
from training.tests.diagnosis_jobs import (
    Records,
    chance,
    endless,
    make_schooled_base_model,
    rule,
    train,
)

ROOMY = {"r": 8, "alpha": 16}
ASKED = ("Where is the fern 3?", "Where is the moss 70?")


@dataclass(frozen=True)
class Case:
    """A job, the verdict it was made for, and what else must be found.

    Attributes:
        seeds: tried until one shows it: at the edge of chaos the last bits of a host's products decide.
    """

    verdict: str
    records: Records
    training: dict[str, Any]
    lora: dict[str, Any] = field(default_factory=lambda: dict(ROOMY))
    also: frozenset[str] = frozenset()
    asked: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (42,)


WILD = {"max_grad_norm": 0, "warmup_ratio": 0, "lr_scheduler": "constant", "batch_size": 2}

CASES = {
    "good, measured": Case("good", rule(60), {"learning_rate": 1e-2, "eval_fraction": 0.2}),
    "good, not measured": Case(
        "good",
        rule(40),
        {"learning_rate": 1e-2, "num_epochs": 8},
        also=frozenset({"no_held_out"}),
    ),
    "good, stopped early": Case(
        "good",
        rule(60),
        {
            "learning_rate": 1e-2,
            "num_epochs": 10,
            "eval_fraction": 0.2,
            "early_stopping_patience": 2,
        },
    ),
    "rate far too low": Case(
        "no_effect", rule(60), {"learning_rate": 1e-6, "num_epochs": 3, "eval_fraction": 0.2}
    ),
    "rate too low, not measured": Case(
        "no_effect",
        rule(60),
        {"learning_rate": 5e-5, "num_epochs": 3},
        also=frozenset({"no_held_out"}),
    ),
    "one step": Case(
        "no_effect",
        rule(60),
        {"learning_rate": 1e-4, "num_epochs": 1, "batch_size": 60, "eval_fraction": 0.2},
    ),
    "one epoch": Case(
        "under_trained", rule(60), {"learning_rate": 2e-3, "num_epochs": 1, "eval_fraction": 0.2}
    ),
    "two epochs, not measured": Case(
        "under_trained", rule(60), {"learning_rate": 2e-3, "num_epochs": 2}
    ),
    "chance by heart": Case(
        "memorised",
        chance(16),
        {"learning_rate": 1e-2, "num_epochs": 30, "eval_fraction": 0.25},
        lora={"r": 16, "alpha": 32},
        also=frozenset({"too_little_data"}),
    ),
    "a rule by heart": Case(
        "memorised",
        rule(16),
        {"learning_rate": 2e-2, "num_epochs": 40, "eval_fraction": 0.25},
        lora={"r": 16, "alpha": 32},
        also=frozenset({"too_little_data"}),
    ),
    "rate too high": Case(
        "unstable", rule(40), {"learning_rate": 5e-2} | WILD, seeds=(42, 0, 1, 2)
    ),
    "one mixed example a step": Case(
        "unstable",
        rule(20) + chance(20),
        {"learning_rate": 3e-3, "num_epochs": 3, "batch_size": 1},
    ),
    "alpha and rate far too high": Case(
        "diverged", rule(40), {"learning_rate": 1e-1} | WILD, lora={"r": 8, "alpha": 1024}
    ),
    "all answers cut": Case(
        "never_learned_to_stop",
        endless(20),
        {"learning_rate": 1e-2, "num_epochs": 8, "max_length": 64},
        also=frozenset({"answers_cut"}),
        asked=("tell 3",),
    ),
    "some answers cut": Case(
        "answers_cut",
        rule(30) + endless(10),
        {"learning_rate": 1e-2, "num_epochs": 8, "max_length": 64},
    ),
    "an end not learned yet": Case(
        "never_learned_to_stop",
        rule(60),
        {"learning_rate": 3e-3, "eval_fraction": 0.2},
        asked=ASKED,
    ),
    "long examples left out": Case(
        "good",
        rule(30) + endless(10),
        {"learning_rate": 1e-2, "num_epochs": 10, "max_length": 64, "overlong": "drop"},
        also=frozenset({"examples_left_out", "no_held_out"}),
    ),
    "three examples": Case(
        "under_trained",
        chance(3, length=3),
        {"learning_rate": 1e-2, "num_epochs": 15},
        also=frozenset({"too_little_data", "no_held_out"}),
    ),
}


@pytest.fixture(scope="module")
def schooled(_one_thread: None, tmp_path_factory: pytest.TempPathFactory) -> BaseModelRef:
    return make_schooled_base_model(tmp_path_factory.mktemp("schooled") / "base")


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """A second thread costs a tiny model far more than it gives."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def shared_host() -> ModelHost:
    return ModelHost(choose_device("cpu"))


@pytest.mark.parametrize("name", CASES)
def test_a_real_job_shows_what_it_was_made_for(
    name: str, schooled: BaseModelRef, shared_host: ModelHost, tmp_path: Path
) -> None:
    case = CASES[name]
    settings = {"num_epochs": 6, "batch_size": 4, "max_length": 128} | case.training
    for seed in case.seeds:
        folder = tmp_path / str(seed)
        folder.mkdir()
        spec = make_training_spec(
            folder,
            schooled,
            case.records,
            lora=case.lora,
            sample_prompts=case.asked,
            **settings | {"seed": seed},
        )
        found = train(spec, shared_host).diagnosis()
        if found["verdict"] == case.verdict:
            break
    codes = {finding["code"] for finding in found["findings"]}
    assert found["verdict"] == case.verdict, found
    assert case.also <= codes
    if "eval_fraction" in case.training:
        assert "no_held_out" not in codes
    shapes = codes & {"diverged", "unstable", "no_effect", "memorised", "under_trained", "good"}
    assert len(shapes) == 1


def test_a_loss_that_is_no_number_is_a_divergence(
    shared_host: ModelHost, schooled: BaseModelRef, tmp_path: Path
) -> None:
    host = ModelHost(choose_device("cpu"))
    resident = host.acquire(schooled)
    resident.head_weight.data.fill_(float("nan"))
    found = train(make_training_spec(tmp_path, schooled, rule(8)), host).diagnosis()
    (finding,) = found["findings"]
    assert finding["code"] == found["verdict"] == "diverged"
    assert finding["evidence"]["failed_step"] == 1
    assert finding["next"]["params"]["training_config.learning_rate"] < 1e-3
