"""Packed examples side by side at one width, for attention alone: padded at the right, and back.

The padding repeats real tokens, which the causal mask hides from everybody, so that it holds finite numbers.
"""

from __future__ import annotations

from typing import Any

import torch

from engine.data.batching import MicroBatch


class Padding:
    """Brings packed rows to one width and back. Both ways are a gather: nothing is added up.

    Attributes:
        shape: rows, and their common width.
    """

    def __init__(self, batch: MicroBatch, device: torch.device) -> None:
        lengths = batch.row_lengths
        width = max(lengths)
        self.shape = (len(lengths), width)
        self._is_needed = any(length != width for length in lengths)
        if not self._is_needed:
            return
        starts = torch.tensor([0, *lengths[:-1]]).cumsum(0)
        columns = torch.arange(width)
        is_real = columns < torch.tensor(lengths).unsqueeze(1)
        # Padding repeats the last token of its row: any number will do that is finite.
        last = torch.tensor(lengths).unsqueeze(1) - 1
        self._to_rows = (starts.unsqueeze(1) + torch.minimum(columns, last)).flatten().to(device)
        self._to_flat = is_real.flatten().nonzero().squeeze(1).to(device)
        self._padding = (~is_real).flatten().nonzero().squeeze(1).to(device)

    def add(self, flat: torch.Tensor) -> torch.Tensor:
        """(tokens, features) to (rows x width, features); padding holds finite numbers."""
        return flat.index_select(0, self._to_rows) if self._is_needed else flat

    def add_zeros(self, flat: torch.Tensor) -> torch.Tensor:
        """The same with zeros as padding."""
        if not self._is_needed:
            return flat
        return flat.index_select(0, self._to_rows).index_fill_(0, self._padding, 0)

    def remove(self, padded: torch.Tensor) -> torch.Tensor:
        """(rows x width, features) to (tokens, features)."""
        return padded.index_select(0, self._to_flat) if self._is_needed else padded


class Pad(torch.autograd.Function):
    """(tokens, features) to (rows, width, features); what reaches the padding's gradient is dropped."""

    @staticmethod
    def forward(context: Any, flat: torch.Tensor, padding: Padding) -> torch.Tensor:
        context.padding = padding
        return padding.add(flat).view(*padding.shape, -1)

    @staticmethod
    def backward(context: Any, *upstream: torch.Tensor) -> tuple[torch.Tensor, None]:
        return context.padding.remove(upstream[0].flatten(0, 1)), None


class Unpad(torch.autograd.Function):
    """(rows, width, features) to (tokens, features); the padding's gradient is zero."""

    @staticmethod
    def forward(context: Any, rows: torch.Tensor, padding: Padding) -> torch.Tensor:
        context.padding = padding
        return padding.remove(rows.flatten(0, 1)).clone()

    @staticmethod
    def backward(context: Any, *upstream: torch.Tensor) -> tuple[torch.Tensor, None]:
        padding: Padding = context.padding
        return padding.add_zeros(upstream[0]).view(*padding.shape, -1), None
