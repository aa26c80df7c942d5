"""How the rows of a chat look at what they have seen: in a step of decoding, and in a pass of reading.

Both write the new keys and values into the conversations' memory (engine.inference.key_values) and then score what a
layer shows: all of it, or the newest tokens where the layer has a window.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from engine.inference.key_values import Arena, Draft, Layout, Place
from engine.models.architecture import Scoring
from engine.models.scores import hidden_mask, soft_capped


@dataclass(frozen=True, slots=True)
class _Sight:
    """What a layer shows.

    Attributes:
        tokens: from the oldest that anybody sees to the newest.
        mask: minus infinity where a row sees nothing; None when every row sees all.
    """

    tokens: slice
    mask: torch.Tensor | None


@dataclass(frozen=True, slots=True)
class _ArenaStep:
    """What the rows of one arena share in a step.

    Attributes:
        rows: (rows,), their rows in the batch in the order of their places; None when that is the batch itself.
        targets: (2 x rows x key heads,), where keys and values of the new token go in the flat layer.
        lengths: (rows,), tokens seen before.
        sights: by the window of the layer; a mask is (rows x key heads, 1, tokens).
    """

    arena: Arena
    rows: torch.Tensor | None
    targets: torch.Tensor
    lengths: torch.Tensor
    sights: dict[int | None, _Sight] = field(default_factory=dict)


class StepAttention:
    """The attention of a step of decoding: every row adds a token and sees its own (engine.inference.blocks)."""

    def __init__(self, places: Sequence[Place], layout: Layout) -> None:
        self._layout = layout
        self._heads = layout.heads
        row_of = {place: row for row, place in enumerate(places)}
        arenas = dict.fromkeys(place.arena for place in places)
        self._steps = [self._step(arena, row_of) for arena in arenas]

    def __call__(self, layer: int, heads: torch.Tensor, scoring: Scoring) -> torch.Tensor:
        if len(self._steps) == 1 and self._steps[0].rows is None:
            return self._attend(self._steps[0], layer, heads, scoring)
        size = self._heads.query * self._heads.size
        result = torch.empty(len(heads), size, device=heads.device, dtype=heads.dtype)
        for step in self._steps:
            if step.rows is None:
                result = self._attend(step, layer, heads, scoring)
            else:
                own = heads.index_select(0, step.rows)
                result.index_copy_(0, step.rows, self._attend(step, layer, own, scoring))
        return result

    def _attend(
        self, step: _ArenaStep, layer: int, heads: torch.Tensor, scoring: Scoring
    ) -> torch.Tensor:
        counts, rows = self._heads, len(heads)
        memory = step.arena.layer(layer)
        query_size = counts.query * counts.size
        new = heads[:, query_size:].view(rows, 2, counts.key, counts.size)
        memory.view(-1, counts.size).index_copy_(0, step.targets, new.flatten(0, 2))
        if scoring.window not in step.sights:
            step.sights[scoring.window] = self._sight(step.lengths, scoring.window)
        sight = step.sights[scoring.window]
        seen = memory[:, :rows, :, sight.tokens].flatten(1, 2)
        query = heads[:, :query_size].reshape(rows * counts.key, -1, counts.size)
        scores = _scores(query, seen[0].transpose(1, 2), sight.mask, scoring)
        return torch.bmm(scores.softmax(dim=-1), seen[1]).view(rows, query_size)

    def _sight(self, lengths: torch.Tensor, window: int | None) -> _Sight:
        stop = int(lengths.max()) + 1
        columns = torch.arange(stop)
        newest = lengths.view(-1, 1)
        start, is_hidden = 0, columns > newest
        if window is not None and stop > window:
            start = max(0, int(lengths.min()) + 1 - window)
            is_hidden = (is_hidden | (columns <= newest - window))[:, start:]
        mask = None
        if bool(is_hidden.any()):
            mask = torch.zeros(is_hidden.shape).masked_fill_(is_hidden, float("-inf"))
            mask = mask.repeat_interleave(self._heads.key, dim=0).unsqueeze(1)
            mask = mask.to(self._layout.device, self._layout.dtype)
        return _Sight(slice(start, stop), mask)

    def _step(self, arena: Arena, row_of: dict[Place, int]) -> _ArenaStep:
        heads, device = self._heads, self._layout.device
        order = [row_of[place] for place in arena.members]
        lengths = torch.tensor([place.length for place in arena.members])
        index = torch.arange(len(order)).view(-1, 1)
        head = torch.arange(heads.key)
        first = (index * heads.key + head) * arena.capacity + lengths.view(-1, 1)
        values = arena.layer(0)[0].numel() // heads.size
        # Row by row: the keys of all heads, then their values.
        targets = torch.stack([first, first + values], dim=1).flatten().to(device)
        is_whole = order == list(range(len(row_of)))
        rows = None if is_whole else torch.tensor(order, device=device)
        return _ArenaStep(arena, rows, targets, lengths)


def _scores(
    query: torch.Tensor, keys: torch.Tensor, mask: torch.Tensor | None, scoring: Scoring
) -> torch.Tensor:
    if mask is not None and scoring.cap is None:
        return torch.baddbmm(mask, query, keys, alpha=scoring.scale)
    scores = soft_capped(torch.bmm(query, keys).mul_(scoring.scale), scoring.cap)
    return scores if mask is None else scores.add_(mask)


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A part of a prompt.

    Attributes:
        draft: what was read before.
        count: new tokens.
        sights: by the window of the layer; a mask is (new tokens, tokens).
    """

    draft: Draft
    count: int
    sights: dict[int | None, _Sight] = field(default_factory=dict)


class ReadAttention:
    """The attention of a pass of reading: stretches of several conversations, each causal over its own.

    Args:
        stretches: what was read so far and the number of new tokens of each, in the order of the rows.
    """

    def __init__(self, stretches: Sequence[tuple[Draft, int]], layout: Layout) -> None:
        self._layout = layout
        self._stretches = [_Stretch(draft, count) for draft, count in stretches]

    def __call__(self, layer: int, heads: torch.Tensor, scoring: Scoring) -> torch.Tensor:
        parts, start = [], 0
        for stretch in self._stretches:
            own = heads[start : start + stretch.count]
            parts.append(self._attend(layer, own, stretch, scoring))
            start += stretch.count
        return torch.cat(parts) if len(parts) > 1 else parts[0]

    def _attend(
        self, layer: int, heads: torch.Tensor, stretch: _Stretch, scoring: Scoring
    ) -> torch.Tensor:
        counts, rows = self._layout.heads, len(heads)
        query_size = counts.query * counts.size
        length = stretch.draft.length
        memory = stretch.draft.memory[layer]
        new = heads[:, query_size:].view(rows, 2, counts.key, counts.size)
        memory[:, :, length : length + rows] = new.permute(1, 2, 0, 3)
        if scoring.window not in stretch.sights:
            stretch.sights[scoring.window] = self._sight(length, rows, scoring.window)
        sight = stretch.sights[scoring.window]
        keys, values = memory[:, :, sight.tokens].unbind(0)
        # Query heads that share a key head stand over each other.
        query = heads[:, :query_size].view(rows, counts.key, -1, counts.size)
        query = query.permute(1, 2, 0, 3).flatten(1, 2)
        scores = soft_capped(torch.bmm(query * scoring.scale, keys.transpose(1, 2)), scoring.cap)
        scores = scores.unflatten(1, (-1, rows)).add_(sight.mask).flatten(1, 2)
        seen = torch.bmm(scores.softmax(dim=-1), values).unflatten(1, (-1, rows))
        flat: torch.Tensor = seen.permute(2, 0, 1, 3).reshape(rows, query_size)
        return flat

    def _sight(self, length: int, count: int, window: int | None) -> _Sight:
        stop = length + count
        start = 0 if window is None else max(0, length + 1 - window)
        mask = hidden_mask(length, count, window, self._layout.device, self._layout.dtype)
        return _Sight(slice(start, stop), mask[:, start:])
