"""Attention tile by tile below the diagonal, for short examples on a CPU, with its own gradient.

The tiles ahead of the diagonal and those behind a window are left out; the probabilities are kept for the gradient.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from engine.models.architecture import Scoring

TILE = 64
"""Queries of one tile; measured from 16 to 1024 on examples of 32 to 1024 tokens (docs/experiments.md)."""


@dataclass(frozen=True, slots=True)
class _Tile:
    """What the gradient of one tile needs.

    Attributes:
        queries, keys: its part of either.
        scaled: the queries.
        bent: the scores by the cap after tanh; None without a cap.
    """

    queries: slice
    keys: slice
    scaled: torch.Tensor
    bent: torch.Tensor | None
    probabilities: torch.Tensor


class Tiles:
    """Attention of queries that stand behind a shared prefix.

    Query heads that share a key head stand over each other in one product: with B = rows x key heads and g query heads
    for each, query is (B, g, width, size), key and value are (B, prefix + width, size).

    Args:
        diagonal: (TILE, TILE), minus infinity above the diagonal.

    Attributes:
        result: in the shape of `query`.
    """

    def __init__(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        diagonal: torch.Tensor,
        scoring: Scoring,
    ) -> None:
        self._shape = query.shape
        self._key, self._value = key, value
        self._diagonal, self._scoring = diagonal, scoring
        self._ahead = key.shape[1] - query.shape[2]
        self.result = torch.empty_like(query, memory_format=torch.contiguous_format)
        self._kept = [
            self._forward(query, slice(start, min(start + TILE, query.shape[2])))
            for start in range(0, query.shape[2], TILE)
        ]

    def _forward(self, query: torch.Tensor, part: slice) -> _Tile:
        count = part.stop - part.start
        lowest = self._lowest_key(part)
        keys = slice(max(0, lowest), self._ahead + part.stop)
        scaled = (query[:, :, part] * self._scoring.scale).flatten(1, 2)
        scores = torch.bmm(scaled, self._key[:, keys].transpose(1, 2))
        bent, cap = None, self._scoring.cap
        if cap is not None:
            bent = scores.div_(cap).tanh_()
            scores = bent * cap
        self._hide(scores.unflatten(1, (-1, count)), self._ahead + part.start - keys.start, lowest)
        probabilities = torch.softmax(scores, dim=-1)
        seen = torch.bmm(probabilities, self._value[:, keys])
        self.result[:, :, part] = seen.unflatten(1, (-1, count))
        return _Tile(part, keys, scaled, bent, probabilities)

    def _lowest_key(self, part: slice) -> int:
        """The oldest key in the window of a tile's first query; below zero where there are fewer."""
        window = self._scoring.window
        first = self._ahead + int(part.start)
        return -int(part.stop) if window is None else first - window + 1

    def _hide(self, scores: torch.Tensor, own: int, lowest: int) -> None:
        """Hide what is ahead of each query of a tile, and what is behind its window.

        Args:
            scores: (B, g, queries, keys), changed in place.
            own: index of the first query's own key.
        """
        count = scores.shape[2]
        scores[..., own:] += self._diagonal[:count, :count]
        # The first query with something behind its window, and how many of them there are.
        first = max(0, -lowest)
        rest = count - first
        if rest > 0:
            scores[..., first:, :rest] += self._diagonal[:rest, :rest].t()

    def backward(self, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Gradients of query, key and value from that of the result."""
        query_gradient = torch.empty(self._shape, dtype=gradient.dtype, device=gradient.device)
        key_gradient, value_gradient = torch.zeros_like(self._key), torch.zeros_like(self._value)
        for tile in self._kept:
            part, keys = tile.queries, tile.keys
            upper = gradient[:, :, part].flatten(1, 2)
            value_gradient[:, keys] += torch.bmm(tile.probabilities.transpose(1, 2), upper)
            scores = torch._softmax_backward_data(
                torch.bmm(upper, self._value[:, keys].transpose(1, 2)),
                tile.probabilities, -1, tile.probabilities.dtype,
            )  # fmt: skip
            if tile.bent is not None:
                scores.addcmul_(scores, tile.bent.square(), value=-1)
            lower = torch.bmm(scores, self._key[:, keys]).mul_(self._scoring.scale)
            query_gradient[:, :, part] = lower.unflatten(1, (-1, part.stop - part.start))
            key_gradient[:, keys] += torch.bmm(scores.transpose(1, 2), tile.scaled)
        return query_gradient, key_gradient, value_gradient
