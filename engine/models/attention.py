"""Causal self-attention of packed examples: each sees the shared prefix and itself, and never its neighbours.

Only here are examples padded: to the longest of the micro-batch, at the right, where the causal mask hides the padding
from every real token. The padded tensors live for one layer and hold no weight's work.

Two ways compute the same. The tiled one is made for the short examples of a lesson on a CPU: it skips the tiles ahead
of the diagonal and keeps the probabilities for the gradient. The fused one is torch's own, for long examples and GPUs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch.nn import functional

from engine.data.batching import MicroBatch
from engine.models.architecture import Scoring
from engine.models.autograd import applied
from engine.models.padding import Pad, Padding, Unpad
from engine.models.scores import attend_plain, hidden_mask
from engine.models.tiles import TILE, Tiles

TILED_KEYS = 512
"""Most keys for the tiled way: beyond it the kept probabilities would cost more memory than all else."""

Attend = Callable[..., torch.Tensor]


@dataclass(frozen=True, slots=True)
class HeadCounts:
    """The heads of a layer: query heads are a multiple of key heads, and there are as many value heads as key heads."""

    query: int
    key: int
    size: int


class PackedAttention:
    """The attention of one micro-batch, for all layers.

    Args:
        batch: on any device.
        device: of the activations.
        attend: another fused attention than torch's.
    """

    def __init__(
        self,
        batch: MicroBatch,
        heads: HeadCounts,
        device: torch.device,
        dtype: torch.dtype,
        attend: Attend = functional.scaled_dot_product_attention,
    ) -> None:
        self.heads = heads
        self.prefix_length = batch.prefix_length
        self.row_count = len(batch.row_lengths)
        self.width = max(batch.row_lengths)
        self.padding = Padding(batch, device)
        self._device, self._dtype = device, dtype
        self._attend = attend
        self._masks: dict[tuple[int, int, int | None], torch.Tensor] = {}
        self._is_short = self.prefix_length + self.width <= TILED_KEYS
        if device.type == "cpu":
            self.diagonal = hidden_mask(0, TILE, None, device, dtype)

    def __call__(self, heads: torch.Tensor, scoring: Scoring) -> torch.Tensor:
        """Attention outputs of a layer, (tokens, query heads x size).

        Args:
            heads: (tokens, (query + 2 key heads) x size): query, key and value side by side.
        """
        if self._is_tiled(scoring):
            return applied(_TiledAttention, heads, self, scoring)
        return self._fused(heads, scoring)

    def _is_tiled(self, scoring: Scoring) -> bool:
        # What has a cap keeps its probabilities in any case: the tiles need the least memory for them.
        return self._device.type == "cpu" and (self._is_short or scoring.cap is not None)

    def _fused(self, heads: torch.Tensor, scoring: Scoring) -> torch.Tensor:
        length, parts = self.prefix_length, []
        attend = self._attend if scoring.cap is None else partial(attend_plain, cap=scoring.cap)
        is_grouped = self.heads.query != self.heads.key
        attend = partial(attend, enable_gqa=is_grouped, scale=scoring.scale)
        prefix = self._split(heads[:length].unsqueeze(0))
        rows = self._split(applied(Pad, heads[length:], self.padding))
        if length:
            seen = attend(*prefix, **self._sight(0, length, scoring.window))
            parts.append(seen.transpose(1, 2).reshape(length, -1))
            for index in (1, 2):
                shared = prefix[index].expand(self.row_count, -1, -1, -1)
                rows[index] = torch.cat([shared, rows[index]], dim=2)
        seen = attend(*rows, **self._sight(length, self.width, scoring.window))
        flat = seen.transpose(1, 2).reshape(self.row_count, self.width, -1)
        parts.append(applied(Unpad, flat, self.padding))
        return torch.cat(parts)

    def _sight(self, before: int, count: int, window: int | None) -> dict[str, Any]:
        """What `count` queries behind `before` keys see, as a fused attention takes it."""
        if window is not None and before + count <= window:
            window = None
        if not before and window is None:
            return {"is_causal": True}
        key = (before, count, window)
        if key not in self._masks:
            self._masks[key] = hidden_mask(*key, self._device, self._dtype)
        return {"attn_mask": self._masks[key]}

    def _split(self, rows: torch.Tensor) -> list[torch.Tensor]:
        """(rows, width, features) to query, key and value of (rows, heads, width, size)."""
        counts = (self.heads.query, self.heads.key, self.heads.key)
        heads = rows.unflatten(-1, (-1, self.heads.size)).transpose(1, 2)
        return list(heads.split(counts, dim=1))


class _TiledAttention(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any, heads: torch.Tensor, packed: PackedAttention, scoring: Scoring
    ) -> torch.Tensor:
        length, counts = packed.prefix_length, packed.heads
        rows = packed.padding.add(heads[length:]).view(packed.row_count, packed.width, -1)
        query, key, value = _by_key_head(rows, counts)
        parts = []
        context.prefix = None
        if length:
            prefix = _by_key_head(heads[:length].unsqueeze(0), counts)
            context.prefix = Tiles(*prefix, packed.diagonal, scoring)
            parts.append(_flat(context.prefix.result, 1))
            key, value = (
                torch.cat([shared.repeat(packed.row_count, 1, 1), own], dim=1)
                for shared, own in zip(prefix[1:], (key, value), strict=True)
            )
        context.rows = Tiles(query, key, value, packed.diagonal, scoring)
        context.packed = packed
        parts.append(packed.padding.remove(_flat(context.rows.result, packed.row_count)))
        return torch.cat(parts) if length else parts[0]

    @staticmethod
    def backward(context: Any, *upstream: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        packed: PackedAttention = context.packed
        length, rows = packed.prefix_length, packed.row_count
        key_heads = packed.heads.key
        padded = packed.padding.add_zeros(upstream[0][length:])
        gradient = padded.view(rows, packed.width, -1)
        query, key, value = context.rows.backward(_grouped(gradient, packed.heads))
        parts = []
        if length:
            outer = upstream[0][:length].unsqueeze(0)
            prefix = context.prefix.backward(_grouped(outer, packed.heads))
            for own, shared in zip(prefix[1:], (key, value), strict=True):
                own.add_(shared[:, :length].unflatten(0, (rows, key_heads)).sum(dim=0))
            parts.append(_side_by_side(*prefix, rows=1))
            key, value = key[:, length:], value[:, length:]
        flat = _side_by_side(query, key, value, rows=rows)
        parts.append(packed.padding.remove(flat))
        return (torch.cat(parts) if length else parts[0]), None, None


def _by_key_head(
    rows: torch.Tensor, counts: HeadCounts
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(rows, width, features) to query (B, g, width, size), key and value (B, width, size)."""
    query_size, key_size = counts.query * counts.size, counts.key * counts.size
    key, value = (
        part.unflatten(-1, (counts.key, counts.size)).transpose(1, 2).flatten(0, 1)
        for part in rows[..., query_size:].split(key_size, dim=-1)
    )
    return _grouped(rows[..., :query_size], counts), key, value


def _grouped(rows: torch.Tensor, counts: HeadCounts) -> torch.Tensor:
    """(rows, width, query features) to (rows x key heads, query heads for each, width, size)."""
    heads: torch.Tensor = rows.unflatten(-1, (counts.key, -1, counts.size))
    return heads.permute(0, 2, 3, 1, 4).flatten(0, 1)


def _flat(grouped: torch.Tensor, rows: int) -> torch.Tensor:
    """The inverse of _grouped: (rows x width, query features)."""
    apart: torch.Tensor = grouped.unflatten(0, (rows, -1))
    return apart.permute(0, 3, 1, 2, 4).flatten(0, 1).flatten(1)


def _side_by_side(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *, rows: int
) -> torch.Tensor:
    """The inverse of _by_key_head: (rows x width, features)."""
    parts = [_flat(query, rows)]
    for part in (key, value):
        parts.append(part.unflatten(0, (rows, -1)).transpose(1, 2).flatten(0, 1).flatten(1))
    return torch.cat(parts, dim=1)
