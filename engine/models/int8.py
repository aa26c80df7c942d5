"""A frozen linear layer with weights in eight bits, for chats on a CPU: float32 in, float32 out.

A weight is rounded to 255 levels of its output's largest one. An input row is split into two numbers of eight bits,
x = n (high + low / (2 L)), L levels on each side of zero, n by row: one number alone would round the small values of a
row that has one large value in it (arXiv 2208.07339, section 4). Both go through one product of whole numbers, twice as
many rows. A row's result never depends on the rows beside it, so an answer is the same alone and in company.
"""

from __future__ import annotations

import functools
import logging
import warnings
from typing import Any

import torch

logger = logging.getLogger(__name__)

WEIGHT_LEVELS = 127
_SMALLEST_SCALE = 1e-20
"""A row of zeros has no largest value to divide by."""


class Int8Linear:
    """Rows times a frozen weight, eight bits a weight.

    Args:
        weight: (outputs, inputs), any float type; it is not kept.
        bias: (outputs,) in float32.

    Raises:
        NotImplementedError: this processor or this torch has no such product (is_supported).
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None = None) -> None:
        levels = input_levels()
        if levels is None:
            raise NotImplementedError("no product of eight-bit numbers here")
        self._levels = levels
        self._packed = _packed(weight.detach().float())
        self.output_size, self.input_size = weight.shape
        self._bias = bias

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        """(rows, inputs) to (rows, outputs), both in float32."""
        count, levels = len(rows), self._levels
        scale = torch.linalg.vector_norm(rows, float("inf"), dim=1, keepdim=True)
        scale = scale.div_(levels).clamp_min_(_SMALLEST_SCALE)
        scaled = rows / scale
        both = torch.empty(2 * count, rows.shape[1])
        high, low = both[:count], both[count:]
        torch.round(scaled, out=high)
        torch.sub(scaled, high, out=low).mul_(2 * levels)
        product = _multiply(both, levels, self._packed)
        result = product[:count].add_(product[count:], alpha=0.5 / levels).mul_(scale)
        return result if self._bias is None else result.add_(self._bias)

    @property
    def size_bytes(self) -> int:
        """Of the weights, with a scale, a sum and an offset for each output."""
        return self.output_size * (self.input_size + 12)


def is_supported() -> bool:
    """Whether this processor multiplies eight-bit numbers through this torch, and rightly."""
    return input_levels() is not None


@functools.cache
def input_levels() -> int | None:
    """Levels of an input on each side of zero, or None where the product is missing.

    Without VNNI instructions two neighbouring products are added in 16 bits and cut there: seven bits are the most
    that fit. Found out by the largest numbers that a product can meet.
    """
    for levels in (127, 63):
        weight = torch.full((16, 512), float(WEIGHT_LEVELS))
        rows = torch.full((2, 512), float(levels))
        rows[1].neg_()
        try:
            found = _multiply(rows, levels, _packed(weight))
        except (AttributeError, NotImplementedError, RuntimeError) as failure:
            logger.info("no product of eight-bit numbers: %s", failure)
            return None
        if torch.equal(found, rows @ weight.t()):
            return levels
    logger.warning("the product of eight-bit numbers is wrong on this processor")
    return None


def _packed(weight: torch.Tensor) -> Any:
    scales = weight.abs().amax(dim=1).div(WEIGHT_LEVELS).clamp_min(_SMALLEST_SCALE).double()
    zeros = torch.zeros(len(weight), dtype=torch.long)
    with warnings.catch_warnings():
        # Newer releases announce another type for quantised weights.
        warnings.simplefilter("ignore", UserWarning)
        quantised = torch.quantize_per_channel(weight, scales, zeros, 0, torch.qint8)
        return torch.ops.quantized.linear_prepack(quantised, None)


def _multiply(rows: torch.Tensor, levels: int, packed: Any) -> torch.Tensor:
    """Rows of whole numbers within the levels, times packed weights."""
    product: torch.Tensor = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32(
        rows, 1.0, levels + 1, packed
    )
    return product
