"""Linear layers of the base model as the engine multiplies with them: layers that read the same input as one weight."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from engine.models.pages import mapped


class FrozenProjection:
    """Linear layers side by side over one input, frozen.

    Dense weights are laid into one block of memory, and the layers' own weights become views of it: nothing is held
    twice, and the layers go on working by themselves. Weights quantised to four bits stay as they are.

    Args:
        linears: torch's or bitsandbytes' linear layers with the same number of inputs.

    Attributes:
        outputs: for each layer, its part of the outputs.
        bias: (all outputs,), zero where a layer has none; None when none has one.
    """

    def __init__(self, linears: Sequence[Any]) -> None:
        self._linears = list(linears)
        self.outputs: list[slice] = []
        start = 0
        for linear in linears:
            self.outputs.append(slice(start, start + int(linear.out_features)))
            start += int(linear.out_features)
        self.output_size = start
        self._is_quantised = any(is_four_bit(linear) for linear in linears)
        self._dense = None if self._is_quantised else self._lay_together()
        self.bias = self._gather_bias()

    @property
    def weight(self) -> torch.Tensor:
        """(all outputs, inputs); unpacked anew at each call when it is quantised."""
        if self._dense is not None:
            return self._dense
        return torch.cat([_unpacked(linear) for linear in self._linears])

    def squared_row_norms(self) -> torch.Tensor:
        """Squared Euclidean length of each output's weights, (all outputs,)."""
        return widened(self.weight).square().sum(dim=1)

    def _lay_together(self) -> torch.Tensor:
        weights = [linear.weight.data for linear in self._linears]
        if len(weights) == 1:
            only: torch.Tensor = weights[0]
            return only
        first = weights[0]
        shape = (self.output_size, first.shape[1])
        together = mapped(shape, first.device, first.dtype)
        torch.cat(weights, out=together)
        for linear, part in zip(self._linears, self.outputs, strict=True):
            linear.weight.data = together[part]
        return together

    def _gather_bias(self) -> torch.Tensor | None:
        biases = [linear.bias for linear in self._linears]
        if all(bias is None for bias in biases):
            return None
        like = next(bias for bias in biases if bias is not None)
        return torch.cat(
            [
                torch.zeros(part.stop - part.start, dtype=like.dtype, device=like.device)
                if bias is None
                else bias.data
                for bias, part in zip(biases, self.outputs, strict=True)
            ]
        )


def widened(values: torch.Tensor) -> torch.Tensor:
    """Half precision as float32, everything else as it is."""
    return values.float() if values.dtype in (torch.bfloat16, torch.float16) else values


def is_four_bit(linear: nn.Module) -> bool:
    """Whether a layer's weights are packed by bitsandbytes."""
    return getattr(getattr(linear, "weight", None), "quant_state", None) is not None


def _unpacked(linear: Any) -> torch.Tensor:
    from bitsandbytes.functional import dequantize_4bit

    dense: torch.Tensor = dequantize_4bit(linear.weight.data, linear.weight.quant_state)
    return dense
