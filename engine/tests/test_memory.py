from __future__ import annotations

import json
import math
import mmap
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import torch

from engine.config import LoraHyperparameters, TrainingHyperparameters
from engine.errors import OutOfMemoryError
from engine.models.architecture import Scoring
from engine.models.loading import ModelHost, ResidentModel
from engine.models.scores import attend_plain, hidden_mask
from engine.models.tiles import TILE, Tiles
from engine.tests.factories import make_tiny_base_model
from engine.training.footprint import (
    SHARE,
    ModelShape,
    PassPlan,
    fitting_passes,
    fixed_bytes,
    least_bytes,
    mends,
    score_elements,
    token_bytes,
)
from engine.training.memory import plan_passes, shape_of

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


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists what is mapped")
def test_a_resident_model_holds_no_page_of_its_file(host: ModelHost, tmp_path: Path) -> None:
    resident = host.acquire(make_tiny_base_model(tmp_path / "base"))
    mapped = Path("/proc/self/maps").read_text(encoding="utf-8")
    assert resident.ref.path not in mapped


def test_weights_lie_in_pages_of_their_own(resident: ResidentModel) -> None:
    weights = [item.weight for block in resident.packed.frozen for item in block]
    for weight in [*weights, resident.head_weight]:
        assert weight.data_ptr() % mmap.PAGESIZE == 0


def test_plenty_of_memory_gives_large_passes(resident: ResidentModel, free: Any) -> None:
    free(1e12)
    assert plan(resident) == PassPlan(1024, recompute=False)
    assert plan(resident, gradient_checkpointing="on") == PassPlan(1024, recompute=True)


def test_short_memory_cuts_smaller_passes_and_then_computes_twice(
    resident: ResidentModel, free: Any
) -> None:
    free(1e6)
    with pytest.raises(OutOfMemoryError) as failure:
        plan(resident)
    needed = failure.value.params["needed_bytes"]
    assert failure.value.params["mends"] == ["max_length"]
    found = []
    for share in (1.02, 1.5, 2, 4, 8):
        free(share * needed / SHARE)
        found.append(plan(resident))
    order = [(not each.recompute, each.micro_batch_tokens) for each in found]
    assert order == sorted(order)
    assert {each.recompute for each in found} == {True, False}


def test_off_means_off(resident: ResidentModel, free: Any) -> None:
    shape = shape_of(resident)
    each = token_bytes(shape, WIDTH, recompute=False)
    twice = token_bytes(shape, WIDTH, recompute=True)
    assert twice < each
    free(1e6)
    with pytest.raises(OutOfMemoryError) as failure:
        plan(resident, gradient_checkpointing="off")
    assert failure.value.params["mends"][0] == "gradient_checkpointing"
    free(1e12)
    assert not plan(resident, gradient_checkpointing="off").recompute


def test_high_ranks_are_named_among_what_to_change() -> None:
    training = TrainingHyperparameters()
    assert mends(LoraHyperparameters(r=64), training) == ["max_length", "r", "optimizer"]
    assert mends(LoraHyperparameters(rank_pattern={"q_proj": 32}), training)[1] == "r"


def test_a_shape_survives_its_journey_as_json(resident: ResidentModel) -> None:
    shape = shape_of(resident)
    assert ModelShape.from_dict(json.loads(json.dumps(shape.to_dict()))) == shape


def test_the_least_that_is_needed_is_just_enough(resident: ResidentModel) -> None:
    shape, lora, training = shape_of(resident), LoraHyperparameters(), TrainingHyperparameters()
    least = least_bytes(shape, lora, training, WIDTH)
    just_enough = math.ceil(least / SHARE) + 2
    assert fitting_passes(shape, lora, training, WIDTH, just_enough) is not None
    assert fitting_passes(shape, lora, training, WIDTH, int(0.99 * just_enough)) is None


def test_a_thrifty_optimizer_keeps_less_beside_the_adapter(resident: ResidentModel) -> None:
    shape = shape_of(resident)
    high = LoraHyperparameters(r=64)
    usual, thrifty = (
        fixed_bytes(shape, high, TrainingHyperparameters(optimizer=optimizer))
        for optimizer in ("adamw", "adafactor")
    )
    assert thrifty < usual


LONG, QUERY_HEADS = 1024, 4


def capped_shape(kept_scores: float) -> ModelShape:
    shapes = {"q_proj": (32, QUERY_HEADS * 8)}
    return ModelShape(shapes, 1, 100, 8, 4, 2 * LONG, 128, 1024, kept_scores)


def test_capped_tiles_keep_what_is_reckoned() -> None:
    query, key = torch.randn(2, 2, LONG, 8), torch.randn(2, LONG, 8)
    diagonal = hidden_mask(0, TILE, None, query.device, query.dtype)
    tiles = Tiles(query, key, key, diagonal, Scoring(scale=0.3, cap=5.0))
    kept = sum(tile.bent.numel() + tile.probabilities.numel() for tile in tiles._kept)
    # The tiles on the diagonal are whole.
    assert kept == LONG * score_elements(capped_shape(1.0), LONG + TILE)


def test_capped_attention_without_tiles_keeps_what_is_reckoned() -> None:
    heads = [torch.randn(1, QUERY_HEADS, LONG, 8, requires_grad=True) for _ in range(3)]
    kept = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        attend_plain(*heads, is_causal=True, cap=5.0)
    scores = {each.data_ptr(): each.numel() for each in kept if each.shape[-2:] == (LONG, LONG)}
    assert sum(scores.values()) == LONG * score_elements(capped_shape(2.0), LONG)
