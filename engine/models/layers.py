"""The parts of a block that are no projection: normalisation, rotary positions, gate; each with its own gradient.

Every part reads and writes whole tensors as few times as it can, since between the large products the time goes
into memory traffic. Inputs are (tokens, features) of all examples of a micro-batch, one after another, unpadded.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from engine.models.architecture import Gate
from engine.models.autograd import applied
from engine.models.frozen import widened


class _RmsNorm(torch.autograd.Function):
    """y = x / sqrt(mean(x^2) + epsilon) * w over the last dimension (arXiv 1910.07467, equation 4); w is frozen."""

    @staticmethod
    def forward(
        context: Any, values: torch.Tensor, weight: torch.Tensor, epsilon: float
    ) -> torch.Tensor:
        context.save_for_backward(values, weight)
        context.epsilon = epsilon
        wide = widened(values)
        return functional.rms_norm(wide, weight.shape, weight.to(wide.dtype), epsilon).to(
            values.dtype
        )

    @staticmethod
    def backward(context: Any, *upstream: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        values, weight = context.saved_tensors
        wide = widened(values)
        # dx = r (g - x r^2 mean(g x)) with g = dy w and r = 1 / sqrt(mean(x^2) + epsilon)
        mean_square = torch.linalg.vecdot(wide, wide).div_(wide.shape[-1])
        scale = mean_square.add_(context.epsilon).rsqrt_().unsqueeze(-1)
        gradient = widened(upstream[0]) * weight
        shared = torch.linalg.vecdot(gradient, wide).div_(wide.shape[-1]).unsqueeze(-1)
        gradient.addcmul_(wide, shared * scale.square(), value=-1).mul_(scale)
        return gradient.to(values.dtype), None, None


class _Rotary(torch.autograd.Function):
    """Rotates the pairs (i, i + size/2) of every head by its position's angles (arXiv 2104.09864, equation 34)."""

    @staticmethod
    def forward(
        context: Any,
        heads: torch.Tensor,
        cosine: torch.Tensor,
        sine: torch.Tensor,
        rotated_count: int,
    ) -> torch.Tensor:
        context.save_for_backward(cosine, sine)
        context.rotated_count = rotated_count
        return _rotated(heads, cosine, sine, rotated_count)

    @staticmethod
    def backward(context: Any, *upstream: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        cosine, sine = context.saved_tensors
        return _rotated(upstream[0], cosine, -sine, context.rotated_count), None, None, None


def _rotated(
    values: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor, rotated_count: int
) -> torch.Tensor:
    size = 2 * cosine.shape[-1]
    stop = rotated_count * size
    result = torch.empty_like(values)
    result[:, stop:] = values[:, stop:]
    first, second = values[:, :stop].unflatten(1, (-1, size)).chunk(2, dim=-1)
    new_first, new_second = result[:, :stop].unflatten(1, (-1, size)).chunk(2, dim=-1)
    torch.mul(first, cosine, out=new_first)
    new_first.addcmul_(second, sine, value=-1)
    torch.mul(second, cosine, out=new_second)
    new_second.addcmul_(first, sine)
    return result


class _GatedUnit(torch.autograd.Function):
    """silu or gelu (gate) * up of the two halves (arXiv 2002.05202, equation 6)."""

    @staticmethod
    def forward(context: Any, both: torch.Tensor, gate: Gate) -> torch.Tensor:
        gates, up = both.chunk(2, dim=-1)
        context.save_for_backward(both)
        context.gate = gate
        return _activated(gates, gate).mul_(up)

    @staticmethod
    def backward(context: Any, *upstream: torch.Tensor) -> tuple[torch.Tensor, None]:
        (both,) = context.saved_tensors
        gates, up = both.chunk(2, dim=-1)
        result = torch.empty_like(both)
        gate_gradient, up_gradient = result.chunk(2, dim=-1)
        torch.mul(_activated(gates, context.gate), upstream[0], out=up_gradient)
        upper = upstream[0] * up
        if context.gate == "silu":
            torch.ops.aten.silu_backward.grad_input(upper, gates, grad_input=gate_gradient)
        else:
            torch.ops.aten.gelu_backward.grad_input(
                upper, gates, approximate="tanh", grad_input=gate_gradient
            )
        return result, None


def _activated(gates: torch.Tensor, gate: Gate) -> torch.Tensor:
    if gate == "silu":
        return functional.silu(gates)
    return functional.gelu(gates, approximate="tanh")


def rms_norm(values: torch.Tensor, weight: torch.Tensor, epsilon: float) -> torch.Tensor:
    """Root-mean-square normalisation over the last dimension.

    Args:
        values: (..., features); half-precision inputs are normalised in float32.
        weight: (features,), frozen.
    """
    return applied(_RmsNorm, values, weight, epsilon)


def rotary(
    values: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor, rotated_count: int
) -> torch.Tensor:
    """Rotary position embedding of the first heads; the others stay.

    Args:
        values: (tokens, heads x head size).
        cosine, sine: (tokens, 1, head size / 2).
        rotated_count: heads to rotate.
    """
    return applied(_Rotary, values, cosine, sine, rotated_count)


def gated_unit(both: torch.Tensor, gate: Gate = "silu") -> torch.Tensor:
    """The activation of the first half of the features times the second half, (tokens, 2 n) to (tokens, n)."""
    return applied(_GatedUnit, both, gate)
