from __future__ import annotations

import sys

import psutil
import pytest
import torch

from engine.models.pages import mapped

MIB = 1024**2
CPU = torch.device("cpu")


def resident_bytes() -> int:
    return int(psutil.Process().memory_info().rss)


@pytest.mark.skipif(sys.platform != "linux", reason="counts pages as Linux does")
def test_memory_counts_once_it_is_written_and_goes_back_with_its_tensor() -> None:
    before = resident_bytes()
    tensor = mapped((64, MIB // 4), CPU, torch.float32)
    assert resident_bytes() - before < 8 * MIB
    tensor.fill_(1)
    assert resident_bytes() - before > 56 * MIB
    del tensor
    assert resident_bytes() - before < 8 * MIB


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int8])
def test_shape_and_type_are_those_asked_for(dtype: torch.dtype) -> None:
    tensor = mapped((3, 5), CPU, dtype).fill_(2)
    assert (tuple(tensor.shape), tensor.dtype, tensor.is_contiguous()) == ((3, 5), dtype, True)
    assert int(tensor.sum()) == 30


def test_nothing_takes_nothing() -> None:
    assert mapped((0, 4), CPU, torch.float32).numel() == 0
