"""How activations are multiplied with a frozen weight: the fastest exact way on this machine, by measurement.

PyTorch sends float32 products on x86 to MKL, which takes a slower path on processors of other makers. The oneDNN
library inside PyTorch generates its code for the instructions that the processor has, whoever made it. Both read the
same memory, need no copy of the weight and share one pool of threads, so the choice is free of cost.

The two round differently in the last bit. So a host that can remember its choice keeps to it: a job that is killed goes
on in another process, and must end with the same bits.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn import functional

from engine.durable import write_bytes

logger = logging.getLogger(__name__)

Linear = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

_PROBE_SHAPE = (256, 576, 1536)  # rows, inputs, outputs: a feed-forward layer of a small model
_PROBE_ROUNDS = 5
_RELATIVE_TOLERANCE = 1e-5


@dataclass(frozen=True, slots=True)
class Products:
    """One way to multiply.

    Attributes:
        name: of the library behind it, written into a job's manifest.
        linear: (rows, inputs) and (outputs, inputs) to (rows, outputs), as torch's functional.linear without bias.
    """

    name: str
    linear: Linear

    def times(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """(rows, inner) times (inner, columns)."""
        return self.linear(left, right.t())


def _onednn_linear(values: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    if values.dtype != torch.float32 or not len(values):
        return functional.linear(values, weight)
    result: torch.Tensor = torch.ops.mkldnn._linear_pointwise(values, weight, None, "none", [], "")
    return result


TORCH = Products("torch", functional.linear)
ONEDNN = Products("onednn", _onednn_linear)


def choose_products(device_kind: str) -> Products:
    """The faster of the two on this processor; torch's own way on every other device.

    oneDNN counts only when its operator exists and its results agree with torch's.
    """
    if device_kind != "cpu" or not torch.backends.mkldnn.is_available():
        return TORCH
    rows, inputs, outputs = _PROBE_SHAPE
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(rows, inputs, generator=generator)
    weight = torch.randn(outputs, inputs, generator=generator)
    gradient = torch.randn(rows, outputs, generator=generator)
    try:
        is_right = _agrees(values, weight) and _agrees(gradient, weight.t())
    except (AttributeError, NotImplementedError, RuntimeError) as failure:
        logger.info("oneDNN's product is not there: %s", failure)
        return TORCH
    if not is_right:
        logger.warning("oneDNN's product differs from torch's on this processor; it is not used")
        return TORCH
    seconds = {
        products.name: _seconds(products, values, weight, gradient) for products in (TORCH, ONEDNN)
    }
    logger.info("seconds of a product: %s", seconds)
    return ONEDNN if seconds[ONEDNN.name] < seconds[TORCH.name] else TORCH


def remembered_products(device_kind: str, processor: str, memory: Path) -> Products:
    """The choice that this host made first, and keeps for as long as processor and torch stay the same.

    Args:
        processor: its name, so that a data folder that moves to another host chooses anew.
        memory: file of the choice; when it can not be read or written, a fresh choice holds for this process.
    """
    own = {"processor": processor, "torch": torch.__version__}
    known = _read_choice(memory, own)
    if known is not None:
        return known
    chosen = choose_products(device_kind)
    draft = memory.with_name(f".{memory.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        write_bytes(draft, json.dumps(own | {"products": chosen.name}).encode())
        if memory.exists():
            draft.replace(memory)
        else:
            # Of two engines that start at once the first one's choice stands.
            with contextlib.suppress(FileExistsError):
                os.link(draft, memory)
            draft.unlink()
    return _read_choice(memory, own) or chosen


def _read_choice(memory: Path, own: dict[str, str]) -> Products | None:
    try:
        found = json.loads(memory.read_bytes())
        name = found.pop("products")
    except (OSError, ValueError, AttributeError, KeyError):
        return None
    return {TORCH.name: TORCH, ONEDNN.name: ONEDNN}.get(name) if found == own else None


def _agrees(values: torch.Tensor, weight: torch.Tensor) -> bool:
    expected = functional.linear(values, weight)
    difference = (_onednn_linear(values, weight) - expected).abs().max()
    return bool(difference <= _RELATIVE_TOLERANCE * expected.abs().max())


def _seconds(
    products: Products, values: torch.Tensor, weight: torch.Tensor, gradient: torch.Tensor
) -> float:
    """The fastest of a few rounds of a forward and a backward product."""
    rounds = []
    for _ in range(_PROBE_ROUNDS):
        started = time.perf_counter()
        products.linear(values, weight)
        products.times(gradient, weight)
        rounds.append(time.perf_counter() - started)
    return min(rounds)
