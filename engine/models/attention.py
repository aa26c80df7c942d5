"""Causal self-attention of packed examples: each sees the shared prefix and itself, and never its neighbours.

Only here are examples padded: to the longest of the micro-batch, at the right, where the causal mask hides the padding
from every real token. The padded tensors live for one layer and hold no weight's work.

Two ways compute the same. The tiled one is made for the short examples of a lesson on a CPU: it skips the tiles ahead
of the diagonal and keeps the probabilities for the gradient. The fused one is torch's own, for long examples and GPUs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from engine.data.batching import MicroBatch
from engine.models.autograd import applied

TILE = 64
"""Queries of one tile; measured from 16 to 1024 on examples of 32 to 1024 tokens (docs/experiments.md)."""

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
    """The attention of one micro-batch; the same for all layers.

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
        self.padding = _Padding(batch, device)
        self._attend = attend
        self._is_tiled = device.type == "cpu" and self.prefix_length + self.width <= TILED_KEYS
        if self._is_tiled:
            self.diagonal = _ahead(TILE, device, dtype)
        else:
            # Nothing is hidden of the prefix.
            own = _ahead(self.width, device, dtype)
            self._mask = functional.pad(own, (self.prefix_length, 0))

    def __call__(self, heads: torch.Tensor) -> torch.Tensor:
        """Attention outputs, (tokens, query heads x size).

        Args:
            heads: (tokens, (query + 2 key heads) x size): query, key and value side by side.
        """
        if self._is_tiled:
            return applied(_TiledAttention, heads, self)
        return self._fused(heads)

    def _fused(self, heads: torch.Tensor) -> torch.Tensor:
        length, parts = self.prefix_length, []
        grouped = {"enable_gqa": self.heads.query != self.heads.key}
        prefix = self._split(heads[:length].unsqueeze(0))
        rows = self._split(applied(_Pad, heads[length:], self))
        if length:
            seen = self._attend(*prefix, is_causal=True, **grouped)
            parts.append(seen.transpose(1, 2).reshape(length, -1))
            for index in (1, 2):
                shared = prefix[index].expand(self.row_count, -1, -1, -1)
                rows[index] = torch.cat([shared, rows[index]], dim=2)
            seen = self._attend(*rows, attn_mask=self._mask, **grouped)
        else:
            seen = self._attend(*rows, is_causal=True, **grouped)
        flat = seen.transpose(1, 2).reshape(self.row_count, self.width, -1)
        parts.append(applied(_Unpad, flat, self))
        return torch.cat(parts)

    def _split(self, rows: torch.Tensor) -> list[torch.Tensor]:
        """(rows, width, features) to query, key and value of (rows, heads, width, size)."""
        counts = (self.heads.query, self.heads.key, self.heads.key)
        heads = rows.unflatten(-1, (-1, self.heads.size)).transpose(1, 2)
        return list(heads.split(counts, dim=1))


def attend_plain(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    *,
    is_causal: bool = False,
    enable_gqa: bool = False,
) -> torch.Tensor:
    """softmax(q k' / sqrt(size) + mask) v in plain operations (arXiv 1706.03762, equation 1).

    Takes torch's scaled_dot_product_attention's place where that can not be trusted.
    """
    if enable_gqa:
        groups = query.shape[1] // key.shape[1]
        key, value = (part.repeat_interleave(groups, dim=1) for part in (key, value))
    scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
    if is_causal:
        attn_mask = _ahead(scores.shape[-1], scores.device, scores.dtype)
    if attn_mask is not None:
        scores = scores + attn_mask
    return torch.softmax(scores, dim=-1) @ value


class _Tiles:
    """Attention of queries that stand behind a shared prefix, tile by tile, with its gradient.

    Query heads that share a key head stand over each other in one product: with B = rows x key heads and g query heads
    for each, query is (B, g, width, size), key and value are (B, prefix + width, size).
    """

    def __init__(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        diagonal: torch.Tensor,
    ) -> None:
        self._shape = query.shape
        self._key, self._value = key, value
        self._scale = query.shape[-1] ** -0.5
        self._ahead = key.shape[1] - query.shape[2]
        self._kept: list[tuple[slice, torch.Tensor, torch.Tensor]] = []
        self.result = torch.empty_like(query, memory_format=torch.contiguous_format)
        for start in range(0, query.shape[2], TILE):
            part = slice(start, min(start + TILE, query.shape[2]))
            self.result[:, :, part] = self._forward(query[:, :, part], part, diagonal)

    def _forward(self, query: torch.Tensor, part: slice, diagonal: torch.Tensor) -> torch.Tensor:
        count = part.stop - part.start
        seen = self._ahead + part.stop
        scaled = (query * self._scale).flatten(1, 2)
        scores = torch.bmm(scaled, self._key[:, :seen].transpose(1, 2))
        own = scores.unflatten(1, (-1, count))[..., self._ahead + part.start :]
        own += diagonal[:count, :count]
        probabilities = torch.softmax(scores, dim=-1)
        self._kept.append((part, scaled, probabilities))
        result: torch.Tensor = torch.bmm(probabilities, self._value[:, :seen])
        return result.view(len(result), -1, count, result.shape[-1])

    def backward(self, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Gradients of query, key and value from that of the result."""
        query_gradient = torch.empty(self._shape, dtype=gradient.dtype, device=gradient.device)
        key_gradient, value_gradient = torch.zeros_like(self._key), torch.zeros_like(self._value)
        for part, scaled, probabilities in self._kept:
            seen = self._ahead + part.stop
            upper = gradient[:, :, part].flatten(1, 2)
            value_gradient[:, :seen] += torch.bmm(probabilities.transpose(1, 2), upper)
            scores = torch._softmax_backward_data(
                torch.bmm(upper, self._value[:, :seen].transpose(1, 2)),
                probabilities, -1, probabilities.dtype,
            )  # fmt: skip
            lower = torch.bmm(scores, self._key[:, :seen]).mul_(self._scale)
            query_gradient[:, :, part] = lower.unflatten(1, (-1, part.stop - part.start))
            key_gradient[:, :seen] += torch.bmm(scores.transpose(1, 2), scaled)
        return query_gradient, key_gradient, value_gradient


class _TiledAttention(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, heads: torch.Tensor, packed: PackedAttention) -> torch.Tensor:
        length, counts = packed.prefix_length, packed.heads
        rows = packed.padding.add(heads[length:]).view(packed.row_count, packed.width, -1)
        query, key, value = _by_key_head(rows, counts)
        parts = []
        context.prefix = None
        if length:
            prefix = _by_key_head(heads[:length].unsqueeze(0), counts)
            context.prefix = _Tiles(*prefix, packed.diagonal)
            parts.append(_flat(context.prefix.result, 1))
            key, value = (
                torch.cat([shared.repeat(packed.row_count, 1, 1), own], dim=1)
                for shared, own in zip(prefix[1:], (key, value), strict=True)
            )
        context.rows, context.packed = _Tiles(query, key, value, packed.diagonal), packed
        parts.append(packed.padding.remove(_flat(context.rows.result, packed.row_count)))
        return torch.cat(parts) if length else parts[0]

    @staticmethod
    def backward(context: Any, *upstream: torch.Tensor) -> tuple[torch.Tensor, None]:
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
        return (torch.cat(parts) if length else parts[0]), None


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


class _Padding:
    """Brings packed rows to one width and back. Both ways are a gather: nothing is added up."""

    def __init__(self, batch: MicroBatch, device: torch.device) -> None:
        lengths = batch.row_lengths
        width = max(lengths)
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


class _Pad(torch.autograd.Function):
    """(tokens, features) to (rows, width, features); what reaches the padding's gradient is dropped."""

    @staticmethod
    def forward(context: Any, flat: torch.Tensor, packed: PackedAttention) -> torch.Tensor:
        context.packed = packed
        return packed.padding.add(flat).view(packed.row_count, packed.width, -1)

    @staticmethod
    def backward(context: Any, *upstream: torch.Tensor) -> tuple[torch.Tensor, None]:
        return context.packed.padding.remove(upstream[0].flatten(0, 1)), None


class _Unpad(torch.autograd.Function):
    """(rows, width, features) to (tokens, features); the padding's gradient is zero."""

    @staticmethod
    def forward(context: Any, rows: torch.Tensor, packed: PackedAttention) -> torch.Tensor:
        context.packed = packed
        return packed.padding.remove(rows.flatten(0, 1)).clone()

    @staticmethod
    def backward(context: Any, *upstream: torch.Tensor) -> tuple[torch.Tensor, None]:
        packed = context.packed
        padded = packed.padding.add_zeros(upstream[0])
        return padded.view(packed.row_count, packed.width, -1), None


def _ahead(width: int, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """(width, width): minus infinity where a column is ahead of its row, zero elsewhere."""
    return torch.full((width, width), float("-inf"), device=device, dtype=dtype).triu(1)
