"""Memory straight from the operating system: held page by page as it is written to, and given back with its tensor.

The C library would take it from what was freed before, whose pages are held already, and would keep it between smaller
blocks that are still in use.
"""

from __future__ import annotations

import math
import mmap
import sys
from collections.abc import Sequence

import torch


def mapped(shape: Sequence[int], device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """Room for numbers, of any value until they are written; on other devices than the CPU it is torch's own."""
    size_bytes = math.prod(shape) * dtype.itemsize
    if device.type != "cpu" or not size_bytes:
        return torch.empty(tuple(shape), device=device, dtype=dtype)
    return torch.frombuffer(_pages(size_bytes), dtype=dtype).view(tuple(shape))


def _pages(size_bytes: int) -> mmap.mmap:
    if sys.platform == "win32":
        return mmap.mmap(-1, size_bytes)
    return mmap.mmap(-1, size_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
