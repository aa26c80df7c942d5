from __future__ import annotations

import sys

import pytest
import torch
from torch.nn import functional

from engine.errors import UnsupportedModelError
from engine.models.devices import (
    WAYS,
    attention_is_causal,
    best_kind,
    choose_device,
    is_out_of_memory,
    memory_report,
    peak_memory_bytes,
    reset_peak_memory,
)

CPU = torch.device("cpu")


def test_the_best_device_is_taken_and_the_wanted_one_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    assert best_kind(has_cuda=True, has_mps=True) == "cuda"
    assert best_kind(has_cuda=False, has_mps=True) == "mps"
    assert best_kind(has_cuda=False, has_mps=False) == "cpu"
    monkeypatch.setenv("LLMLORA_DEVICE", "cpu")
    device = choose_device()
    assert (device.kind, device.dtype_name, device.attention) == ("cpu", "float32", "sdpa")


@pytest.mark.parametrize("wanted", ["tpu", "cuda", "mps"])
def test_a_device_that_is_not_there_is_told(wanted: str) -> None:
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if present.get(wanted):
        pytest.skip("it is there")
    with pytest.raises(UnsupportedModelError):
        choose_device(wanted)


def test_the_causality_test_finds_an_attention_that_looks_ahead() -> None:
    def causal(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return functional.scaled_dot_product_attention(q, k, v, is_causal=True)

    assert attention_is_causal(causal, CPU, torch.float32)
    assert all(attention_is_causal(way, CPU, torch.float32) for way in WAYS)
    assert not attention_is_causal(functional.scaled_dot_product_attention, CPU, torch.float32)


def test_every_allocator_s_complaint_is_known() -> None:
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(torch.OutOfMemoryError("x"))
    assert is_out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"))
    assert is_out_of_memory(RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"))
    assert not is_out_of_memory(RuntimeError("shape mismatch"))
    assert not is_out_of_memory(ValueError("out of memory"))


def test_memory_is_told_in_bytes() -> None:
    device = choose_device("cpu")
    report = memory_report(device)
    assert 0 < report.available_bytes <= report.total_bytes
    assert 10**7 < peak_memory_bytes(device) < 10**12


@pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere the system keeps the peak of a process"
)
def test_a_peak_is_counted_from_its_reset() -> None:
    device = choose_device("cpu")
    torch.ones(50_000_000)
    with_a_large_tensor = peak_memory_bytes(device)
    reset_peak_memory(device)
    at_rest = peak_memory_bytes(device)
    assert at_rest < with_a_large_tensor - 100_000_000
    torch.ones(50_000_000)
    assert peak_memory_bytes(device) > at_rest + 100_000_000
