"""Chats in a lower precision: the products, the gate of quality, and what is chosen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from engine.models import bfloat16, chat_precision, int8
from engine.models.bfloat16 import Bfloat16Linear
from engine.models.chat_precision import (
    FLOAT32,
    HEAD,
    Quality,
    choose,
    forced,
    linears_for,
    measured_gains,
    quality_of,
)
from engine.models.devices import choose_device
from engine.models.int8 import Int8Linear
from engine.models.loading import ModelHost
from engine.tests.factories import make_tiny_base_model

needs_int8 = pytest.mark.skipif(not int8.is_supported(), reason="no eight-bit products here")
needs_bfloat16 = pytest.mark.skipif(not bfloat16.is_supported(), reason="no bfloat16 products here")
BOTH = [
    pytest.param(Int8Linear, 0.01, marks=needs_int8),
    pytest.param(Bfloat16Linear, 0.01, marks=needs_bfloat16),
]
TEXTS = ("a lantern in the window", "日本の首都は東京です。")


def randn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def resident(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder: Path = tmp_path_factory.mktemp("model")
    return ModelHost(choose_device("cpu")).acquire(make_tiny_base_model(folder))


@pytest.mark.parametrize(("kind", "error"), BOTH)
def test_product_is_close(kind: Any, error: float) -> None:
    weight, rows, bias = randn(48, 96), randn(5, 96, seed=1), randn(48, seed=2)
    exact = rows @ weight.t()
    found = kind(weight)(rows)
    assert found.dtype == torch.float32
    assert (found - exact).abs().max() <= error * exact.abs().max()
    assert torch.allclose(kind(weight, bias)(rows), found + bias)


@pytest.mark.parametrize(("kind", "error"), BOTH)
@pytest.mark.parametrize("outputs", [48, 960])
def test_row_does_not_depend_on_its_neighbours(kind: Any, error: float, outputs: int) -> None:
    linear, rows = kind(randn(outputs, 576)), randn(30, 576, seed=1)
    rows[7] *= 1000
    together = linear(rows)
    for count in (1, 2, 5, 16):
        assert torch.equal(linear(rows[:count]), together[:count])


@needs_int8
def test_small_values_survive_beside_a_large_one() -> None:
    weight, rows = randn(16, 64), randn(1, 64, seed=1)
    weight[:, 3] = 0
    rows[0, 3] = 300.0
    exact = rows @ weight.t()
    # One number of eight bits would round everything below 1.2 to zero.
    assert (Int8Linear(weight)(rows) - exact).abs().max() <= 0.02 * exact.abs().max()


@needs_int8
def test_largest_numbers_are_not_cut() -> None:
    weight, rows = torch.full((16, 512), 2.0), torch.full((1, 512), 3.0)
    assert torch.allclose(Int8Linear(weight)(rows), rows @ weight.t(), rtol=1e-5)


@needs_int8
def test_zeros_stay_zeros() -> None:
    assert not Int8Linear(torch.zeros(16, 32))(randn(2, 32)).any()
    assert not Int8Linear(randn(16, 32))(torch.zeros(2, 32)).any()


@needs_int8
def test_missing_products_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*arguments: Any) -> torch.Tensor:
        raise NotImplementedError("no such operator")

    int8.input_levels.cache_clear()
    with monkeypatch.context() as patched:
        patched.setattr(int8, "_multiply", missing)
        assert not int8.is_supported()
        with pytest.raises(NotImplementedError):
            Int8Linear(randn(16, 32))
    int8.input_levels.cache_clear()
    assert int8.is_supported()


@needs_int8
def test_processor_without_vnni_takes_seven_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = int8._multiply

    def cut(rows: torch.Tensor, levels: int, packed: Any) -> torch.Tensor:
        # As vpmaddubsw does: two neighbouring products are added in 16 bits, with the offset of the inputs.
        if (rows.abs().max() + levels + 1) * int8.WEIGHT_LEVELS * 2 > 32767:
            return torch.zeros(len(rows), 16)
        return exact(rows, levels, packed)

    int8.input_levels.cache_clear()
    with monkeypatch.context() as patched:
        patched.setattr(int8, "_multiply", cut)
        assert int8.input_levels() == 63
    int8.input_levels.cache_clear()


@needs_int8
def test_every_product_of_the_model_is_replaced(resident: Any) -> None:
    linears = linears_for(resident, "int8")
    assert set(linears) == {HEAD} | {part for block in resident.packed.frozen for part in block}
    rows = randn(3, resident.head_weight.shape[1])
    exact = rows @ resident.head_weight.t()
    assert (linears[HEAD](rows) - exact).abs().max() <= 0.02 * exact.abs().max()


def test_float32_has_no_divergence_from_itself(resident: Any) -> None:
    products = resident.packed.products
    exact = {
        part: lambda rows, part=part: products.linear(rows, part.weight)
        for block in resident.packed.frozen
        for part in block
    }
    exact[HEAD] = lambda rows: products.linear(rows, resident.head_weight)
    assert quality_of(resident, exact, TEXTS) == Quality(0.0, 1.0, 1.0)


@needs_int8
def test_quality_falls_with_the_weights(resident: Any) -> None:
    linears = dict(linears_for(resident, "int8"))
    good = quality_of(resident, linears, TEXTS)
    assert 0 < good.kl_nats < 0.01
    assert good.is_enough
    noisy = linears[HEAD]
    linears[HEAD] = lambda rows: noisy(rows) + randn(len(rows), len(resident.head_weight))
    bad = quality_of(resident, linears, TEXTS)
    assert bad.kl_nats > 0.1
    assert not bad.is_enough
    assert not Quality(float("nan"), 0.0, 1.0).is_enough


@needs_int8
def test_choice_takes_the_fastest_that_is_good_enough(
    resident: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat_precision, "measured_gains", lambda resident: {"int8": 2.0})
    chosen = choose(resident)
    assert chosen.precision == "int8"
    assert chosen.linears is not None
    assert chosen.quality is not None
    assert chosen.size_bytes > resident.head_weight.numel()
    monkeypatch.setattr(chat_precision, "MOST_KL_NATS", 1e-9)
    assert choose(resident) is FLOAT32


@needs_int8
def test_slow_precision_is_not_taken(resident: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_precision, "measured_gains", lambda resident: {"int8": 1.1})
    assert choose(resident) is FLOAT32


@needs_int8
@needs_bfloat16
@pytest.mark.parametrize(("int8_gain", "expected"), [(2.4, "bfloat16"), (2.9, "int8")])
def test_int8_must_be_clearly_faster_than_bfloat16(
    resident: Any, monkeypatch: pytest.MonkeyPatch, int8_gain: float, expected: str
) -> None:
    gains = {"int8": int8_gain, "bfloat16": 2.0}
    monkeypatch.setattr(chat_precision, "measured_gains", lambda resident: gains)
    assert choose(resident).precision == expected


def test_gains_are_of_what_this_host_has(resident: Any) -> None:
    gains = measured_gains(resident)
    assert ("int8" in gains) == int8.is_supported()
    assert ("bfloat16" in gains) == bfloat16.is_supported()
    assert all(gain > 0 for gain in gains.values())


def test_float32_can_be_asked_for(resident: Any) -> None:
    assert forced(resident, "float32") is FLOAT32
