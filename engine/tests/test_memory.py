from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from engine.config import LoraHyperparameters, TrainingHyperparameters
from engine.errors import OutOfMemoryError
from engine.models.loading import ResidentModel
from engine.training.memory import PassPlan, mends, plan_passes, token_bytes

WIDTH = 200


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets how many bytes the operating system says are free."""

    def set_free(count: float) -> None:
        memory = SimpleNamespace(total=2 * int(count), available=int(count))
        monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)

    return set_free


def plan(resident: ResidentModel, **training: Any) -> PassPlan:
    settings = TrainingHyperparameters.from_mapping(training)
    return plan_passes(resident, LoraHyperparameters(), settings, WIDTH)


def test_plenty_of_memory_gives_large_passes(resident: ResidentModel, free: Any) -> None:
    free(1e12)
    assert plan(resident) == PassPlan(1024, recompute=False)
    assert plan(resident, gradient_checkpointing="on") == PassPlan(1024, recompute=True)


def test_short_memory_cuts_smaller_passes_and_then_computes_twice(
    resident: ResidentModel, free: Any
) -> None:
    plans = {}
    for megabytes in (1, 2, 4, 8, 16):
        free(megabytes * 1e6)
        try:
            plans[megabytes] = plan(resident)
        except OutOfMemoryError as failure:
            plans[megabytes] = None
            assert failure.params["needed_bytes"] > failure.params["available_bytes"] * 0.7
            assert failure.params["mends"] == ["max_length"]
    found = list(plans.values())
    assert found[0] is None
    order = [(not p.recompute, p.micro_batch_tokens) for p in found if p is not None]
    assert order == sorted(order)
    assert len(set(order)) > 1


def test_off_means_off(resident: ResidentModel, free: Any) -> None:
    each = token_bytes(resident, WIDTH, recompute=False)
    twice = token_bytes(resident, WIDTH, recompute=True)
    assert twice < each
    for megabytes in range(1, 40):
        free(megabytes * 2e5)
        try:
            assert not plan(resident, gradient_checkpointing="off").recompute
        except OutOfMemoryError as failure:
            assert failure.params["mends"][0] == "gradient_checkpointing"


def test_high_ranks_are_named_among_what_to_change() -> None:
    training = TrainingHyperparameters()
    assert mends(LoraHyperparameters(r=64), training) == ["max_length", "r", "optimizer"]
    assert mends(LoraHyperparameters(rank_pattern={"q_proj": 32}), training)[1] == "r"
