"""A frozen projection with LoRA on some of its layers: one operation forward and backward, its gradient hand-written.

With x the input, W the frozen weight, s the scaling, and D the dropout of the adapter's input:

    y = x W' + s (D x) A' B'                       LoRA (arXiv 2106.09685, section 4.1), ' is the transpose
    y = m / |W + s B A| * (x W' + s (D x) A' B')   DoRA (arXiv 2402.09353, section 4), |.| by output, without gradient

W takes no gradient, so the backward pass multiplies with it once, for x, where a full layer multiplies twice. The
layers of a projection share their input, so their A stand over each other in one product, and their B stand in one
block-diagonal matrix: few products of a useful size in place of many thin ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from engine.models.autograd import applied
from engine.models.frozen import FrozenProjection
from engine.models.products import Products


@dataclass(frozen=True, slots=True)
class Target:
    """One adapted layer of a projection.

    Attributes:
        outputs: its part of the projection's outputs.
        a: (rank, inputs).
        b: (outputs, rank).
        scaling: alpha / rank, or alpha / sqrt(rank) for rsLoRA.
        magnitude: (outputs,) for DoRA.
    """

    outputs: slice
    a: nn.Parameter
    b: nn.Parameter
    scaling: float
    magnitude: nn.Parameter | None = None


@dataclass(frozen=True, slots=True)
class TrainedBias:
    """The bias of one layer of a projection, (outputs,), where it learns; `outputs` is the layer's part."""

    outputs: slice
    bias: nn.Parameter


@dataclass(slots=True)
class _Stacked:
    """The targets of a projection as one pair of matrices."""

    a: torch.Tensor  # (sum of ranks, inputs), scaled
    b: torch.Tensor  # (outputs of the projection, sum of ranks), block-diagonal
    ranks: list[slice]


class AdaptedProjection:
    """A frozen projection and the targets of one adapter on it; without targets it is the bare projection.

    Args:
        dropout: probability with which an input of the adapter is set to zero while training. All targets of a
            projection see the same zeros.
    """

    def __init__(
        self,
        frozen: FrozenProjection,
        targets: Sequence[Target],
        products: Products,
        *,
        biases: Sequence[TrainedBias] = (),
        dropout: float = 0.0,
    ) -> None:
        self.frozen = frozen
        self.targets = list(targets)
        self.biases = list(biases)
        self.products = products
        self._dropout = dropout if targets else 0.0
        self._row_norms: torch.Tensor | None = None

    def __call__(
        self, values: torch.Tensor, generator: torch.Generator | None = None
    ) -> torch.Tensor:
        """(tokens, inputs) to (tokens, outputs).

        Args:
            generator: draws the dropout; without one there is none.
        """
        mask = None
        if generator is not None and self._dropout > 0:
            kept = 1.0 - self._dropout
            mask = torch.empty(values.shape, dtype=torch.bool, device=values.device)
            mask.bernoulli_(kept, generator=generator)
        parameters = [
            parameter
            for target in self.targets
            for parameter in (target.a, target.b, target.magnitude)
            if parameter is not None
        ]
        parameters += [trained.bias for trained in self.biases]
        return applied(_Projection, values, self, mask, *parameters)

    @property
    def kept_scale(self) -> float:
        """By which a kept input is enlarged, so that its expectation stays."""
        return 1.0 / (1.0 - self._dropout)

    def stacked(self, dtype: torch.dtype) -> _Stacked:
        rank_count = sum(len(target.a) for target in self.targets)
        first = self.targets[0].a
        b = torch.zeros(self.frozen.output_size, rank_count, dtype=dtype, device=first.device)
        ranks, scaled, start = [], [], 0
        for target in self.targets:
            part = slice(start, start + len(target.a))
            ranks.append(part)
            scaled.append(target.a.detach().to(dtype) * target.scaling)
            b[target.outputs, part] = target.b.detach().to(dtype)
            start = part.stop
        return _Stacked(torch.cat(scaled), b, ranks)

    def weight_norms(self, stacked: _Stacked) -> torch.Tensor:
        """|W + s B A| by output, (outputs,), from the inner products instead of the sum of the matrices."""
        if self._row_norms is None:
            self._row_norms = self.frozen.squared_row_norms()
        weight = self.frozen.weight
        crossed = self.products.linear(weight, stacked.a)  # (outputs, ranks): W (s A)'
        gram = stacked.a @ stacked.a.t()
        squares = self._row_norms + ((2 * crossed + stacked.b @ gram) * stacked.b).sum(dim=1)
        return squares.clamp_min(0).sqrt()

    def bias(self) -> torch.Tensor | None:
        """The base model's bias with the trained ones in their places."""
        bias = self.frozen.bias
        if bias is None or not self.biases:
            return bias
        bias = bias.clone()
        for trained in self.biases:
            bias[trained.outputs] = trained.bias.detach().to(bias.dtype)
        return bias


class _Projection(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any,
        values: torch.Tensor,
        projection: AdaptedProjection,
        mask: torch.Tensor | None,
        *parameters: torch.Tensor,
    ) -> torch.Tensor:
        products = projection.products
        result = products.linear(values, projection.frozen.weight)
        context.projection, context.stacked = projection, None
        inner = unscaled = gain = norms = None
        if projection.targets:
            stacked = context.stacked = projection.stacked(values.dtype)
            seen = values if mask is None else values * mask * projection.kept_scale
            inner = products.linear(seen, stacked.a)  # (tokens, ranks)
            result += products.linear(inner, stacked.b)
            if projection.targets[0].magnitude is not None:
                unscaled = result
                norms = projection.weight_norms(stacked)
                gain = _gain(projection, norms)
                result = unscaled * gain
        bias = projection.bias()
        if bias is not None:
            result += bias
        needs_values = bool(projection.targets)
        context.save_for_backward(
            values if needs_values else None, mask, inner, unscaled, gain, norms
        )
        return result

    @staticmethod
    def backward(context: Any, *upstream: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        values, mask, inner, unscaled, gain, norms = context.saved_tensors
        projection: AdaptedProjection = context.projection
        products = projection.products
        gradient = upstream[0]
        gradients: list[torch.Tensor] = []
        outer = gradient
        if gain is not None:
            gradient = outer * gain
        if projection.targets:
            stacked: _Stacked = context.stacked
            seen = values if mask is None else values * mask * projection.kept_scale
            inner_gradient = products.times(gradient, stacked.b)  # (tokens, ranks)
            a_gradient = products.times(inner_gradient.t(), seen)  # (ranks, inputs)
            b_gradient = products.times(inner.t(), gradient)  # (ranks, outputs)
            for target, ranks in zip(projection.targets, stacked.ranks, strict=True):
                gradients.append((a_gradient[ranks] * target.scaling).to(target.a.dtype))
                gradients.append(b_gradient[ranks, target.outputs].t().to(target.b.dtype))
                if target.magnitude is not None:
                    part = target.outputs
                    moved = (outer[:, part] * unscaled[:, part]).sum(dim=0) / norms[part]
                    gradients.append(moved.to(target.magnitude.dtype))
        for trained in projection.biases:
            gradients.append(outer[:, trained.outputs].sum(dim=0).to(trained.bias.dtype))
        values_gradient = None
        if context.needs_input_grad[0]:
            values_gradient = products.times(gradient, projection.frozen.weight)
            if projection.targets:
                through = products.times(inner_gradient, stacked.a)
                if mask is not None:
                    through = through * mask * projection.kept_scale
                values_gradient += through
        return values_gradient, None, None, *gradients


def _gain(projection: AdaptedProjection, norms: torch.Tensor) -> torch.Tensor:
    """m / |W + s B A| by output, one where a layer has no adapter."""
    gain = torch.ones_like(norms)
    for target in projection.targets:
        assert target.magnitude is not None
        gain[target.outputs] = target.magnitude.detach().to(gain.dtype) / norms[target.outputs]
    return gain
