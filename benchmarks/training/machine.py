"""What the machine is and can do, as the engine's process sees it: libraries, threads, speed of products and memory."""

from __future__ import annotations

import datetime
import os
import platform
import statistics
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from benchmarks.training.limit import ROWS, SHAPES
from engine.models.products import TORCH, Products

_PACKAGES = ("torch", "transformers", "peft", "trl", "accelerate", "datasets")
_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_tile", "amx_bf16")
_COPIED_FLOATS = 64 * 2**20
ROUND_SECONDS = 0.01
_PACE_PRODUCT = ("gate_up", 256)


def describe(products: Products, rounds: int) -> dict[str, Any]:
    """Everything that the header tells.

    Args:
        products: the engine's choice.
        rounds: of each measurement.
    """
    return {
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "products": products.name,
        "speeds": {name: _speeds(way, rounds) for name, way in _ways(products).items()},
        "copy_bytes_per_second": _copy_speed(rounds),
    }


def _ways(products: Products) -> dict[str, Products]:
    return {"F.linear": TORCH, f"engine ({products.name})": products}


def _speeds(products: Products, rounds: int) -> list[list[Any]]:
    """Rows of (shape, direction, rows, floating-point operations a second)."""
    generator = torch.Generator().manual_seed(0)
    table: list[list[Any]] = []
    for shape, (inputs, outputs) in SHAPES.items():
        weight = torch.randn(outputs, inputs, generator=generator)
        for rows in ROWS:
            values = torch.randn(rows, inputs, generator=generator)
            gradient = torch.randn(rows, outputs, generator=generator)
            work = 2.0 * rows * inputs * outputs
            forward = _typical(lambda v=values, w=weight: products.linear(v, w), rounds)
            backward = _typical(lambda g=gradient, w=weight: products.times(g, w), rounds)
            table.append([shape, "forward", rows, work / forward])
            table.append([shape, "backward", rows, work / backward])
    return table


def pace(products: Products, table: list[list[Any]]) -> float:
    """How fast the machine is now, as a multiple of when `table` was measured: clocks and neighbours change."""
    shape, rows = _PACE_PRODUCT
    inputs, outputs = SHAPES[shape]
    values, weight = torch.ones(rows, inputs), torch.ones(outputs, inputs)
    now = 2.0 * rows * inputs * outputs / _typical(lambda: products.linear(values, weight), 5)
    return now / max(row[3] for row in table if row[:3] == [shape, "forward", rows])


def _copy_speed(rounds: int) -> float:
    source = torch.ones(_COPIED_FLOATS)
    target = torch.empty_like(source)
    return 2.0 * source.nbytes / _typical(lambda: target.copy_(source), rounds)


def _typical(work: Callable[[], Any], rounds: int) -> float:
    """Seconds of one call: the median of some rounds, each long enough for the clock."""
    started = time.perf_counter()
    work()
    calls = 1 + int(ROUND_SECONDS / (time.perf_counter() - started))
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        for _ in range(calls):
            work()
        seconds.append((time.perf_counter() - started) / calls)
    return statistics.median(seconds)


def _processor() -> dict[str, Any]:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return {"name": platform.processor() or platform.machine(), "flags": []}
    lines = dict(
        (part.strip() for part in line.split(":", 1)) for line in text.splitlines() if ":" in line
    )
    flags = lines.get("flags", "").split()
    names = (
        lines.get("model name", platform.machine()),
        lines.get("cpu family"),
        lines.get("model"),
    )
    return {
        "name": f"{names[0]} (family {names[1]}, model {names[2]})",
        "flags": [flag for flag in _FLAGS if flag in flags],
    }


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "missing"
