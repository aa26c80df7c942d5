"""Keys and values of the conversations that are decoded together, in memory of our own.

Conversations of a like length share an arena: one tensor with a place for each, in which the places in use stand
without a gap, so that a step of decoding reads a plain view of it. How long a conversation can become is known when it
joins, so it never moves to another arena. Arenas get more places when they are full.

Everything that was never written is zero, and what may hold no finite number is cleared when its place is given back:
a masked position still takes part in the product, and zero times infinity is no number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from engine.models.attention import HeadCounts

_LEAST_TOKENS = 128
_FIRST_BYTES = 256 * 1024 * 1024
"""Taken for an arena at first. On a CPU, memory that nothing was written to costs nothing."""


@dataclass(slots=True, eq=False)
class Place:
    """Where a conversation is held: `index` in an arena, of which `length` tokens are filled."""

    arena: Arena
    index: int
    length: int = 0


@dataclass(slots=True, eq=False)
class Draft:
    """The keys and values of a prompt that is being read, by itself: it gets a place once it is read.

    Attributes:
        memory: (layers, 2, key heads, prompt tokens, size).
        length: tokens read.
    """

    memory: torch.Tensor
    length: int = 0


class Arena:
    """Places for conversations of at most `capacity` tokens."""

    def __init__(self, capacity: int, most_places: int, layout: Layout) -> None:
        self.capacity = capacity
        self.members: list[Place] = []
        self._layout = layout
        self._most_places = most_places
        count = min(most_places, max(1, _FIRST_BYTES // (capacity * layout.token_bytes)))
        self._memory = layout.zeros(count, capacity)

    def add(self) -> Place:
        count = self._memory.shape[2]
        if len(self.members) == count:
            larger = self._layout.zeros(min(self._most_places, 2 * count), self.capacity)
            larger[:, :, :count] = self._memory
            self._memory = larger
        place = Place(self, len(self.members))
        self.members.append(place)
        return place

    def remove(self, place: Place, *, is_clean: bool) -> None:
        if not is_clean:
            self._memory[:, :, place.index].zero_()
        last = self.members.pop()
        if last is place:
            return
        length = last.length
        self._memory[:, :, place.index, :, :length] = self._memory[:, :, last.index, :, :length]
        last.index = place.index
        self.members[last.index] = last

    def layer(self, layer: int) -> torch.Tensor:
        """(2, places, key heads, capacity, size): keys, then values."""
        return self._memory[layer]

    def copied(self, place: Place) -> torch.Tensor:
        """(layers, 2, key heads, length, size)."""
        return self._memory[:, :, place.index, :, : place.length].clone()

    def fill(self, place: Place, draft: Draft) -> None:
        """Begin a place with what was read."""
        place.length = draft.length
        self._memory[:, :, place.index, :, : place.length] = draft.memory[:, :, :, : place.length]


@dataclass(frozen=True, slots=True)
class Layout:
    """The shape of what is kept."""

    layer_count: int
    heads: HeadCounts
    device: torch.device
    dtype: torch.dtype

    @property
    def token_bytes(self) -> int:
        """Of one token of one conversation, over all layers."""
        return self.layer_count * 2 * self.heads.key * self.heads.size * self.dtype.itemsize

    def zeros(self, places: int, capacity: int) -> torch.Tensor:
        shape = (self.layer_count, 2, places, self.heads.key, capacity, self.heads.size)
        if self.device.type == "cpu" and self.dtype == torch.float32:
            # The system hands these pages out as zeros, and only when they are written to.
            return torch.from_numpy(np.zeros(shape, dtype=np.float32))
        return torch.zeros(shape, device=self.device, dtype=self.dtype)


class KeyValues:
    """The arenas of one resident model.

    Args:
        most_places: of each arena.
        context_length: of the model.
    """

    def __init__(self, layout: Layout, most_places: int, context_length: int) -> None:
        self.layout = layout
        self._most_places = most_places
        self._context_length = context_length
        self._arenas: dict[int, Arena] = {}

    def draft(self, tokens: int, remembered: torch.Tensor | None = None) -> Draft:
        """Memory for a prompt of `tokens`, begun with what `copied` gave of a conversation with the same beginning."""
        layout = self.layout
        shape = (layout.layer_count, 2, layout.heads.key, tokens, layout.heads.size)
        draft = Draft(torch.empty(shape, device=layout.device, dtype=layout.dtype))
        if remembered is not None:
            draft.length = remembered.shape[3]
            draft.memory[:, :, :, : draft.length] = remembered
        return draft

    def place(self, draft: Draft, tokens: int) -> Place:
        """A place for a conversation that was read and never becomes longer than `tokens`."""
        capacity = _LEAST_TOKENS
        while capacity < tokens:
            capacity *= 2
        capacity = min(capacity, max(self._context_length, tokens))
        if capacity not in self._arenas:
            self._arenas[capacity] = Arena(capacity, self._most_places, self.layout)
        place = self._arenas[capacity].add()
        place.arena.fill(place, draft)
        return place

    def remove(self, place: Place, *, is_clean: bool = True) -> None:
        """Give a place back.

        Args:
            is_clean: whether everything in it is known to be finite.
        """
        place.arena.remove(place, is_clean=is_clean)
        if not place.arena.members:
            del self._arenas[place.arena.capacity]


@dataclass(frozen=True, slots=True)
class _ArenaStep:
    """What the rows of one arena share in a step.

    Attributes:
        rows: (rows,), their rows in the batch in the order of their places; None when that is the batch itself.
        targets: (2 x rows x key heads,), where keys and values of the new token go in the flat layer.
        width: most tokens seen, the new one included.
        mask: (rows x key heads, 1, width), minus infinity where a row has nothing; None when all are equally long.
    """

    arena: Arena
    rows: torch.Tensor | None
    targets: torch.Tensor
    width: int
    mask: torch.Tensor | None


class StepAttention:
    """The attention of a step of decoding: every row adds a token and sees all of its own (engine.inference.blocks)."""

    def __init__(self, places: Sequence[Place], layout: Layout) -> None:
        self._heads = layout.heads
        self._scale = layout.heads.size**-0.5
        row_of = {place: row for row, place in enumerate(places)}
        arenas = dict.fromkeys(place.arena for place in places)
        self._steps = [self._step(arena, row_of, layout) for arena in arenas]

    def __call__(self, layer: int, heads: torch.Tensor) -> torch.Tensor:
        if len(self._steps) == 1 and self._steps[0].rows is None:
            return self._attend(self._steps[0], layer, heads)
        size = self._heads.query * self._heads.size
        result = torch.empty(len(heads), size, device=heads.device, dtype=heads.dtype)
        for step in self._steps:
            if step.rows is None:
                result = self._attend(step, layer, heads)
            else:
                own = heads.index_select(0, step.rows)
                result.index_copy_(0, step.rows, self._attend(step, layer, own))
        return result

    def _attend(self, step: _ArenaStep, layer: int, heads: torch.Tensor) -> torch.Tensor:
        counts, rows = self._heads, len(heads)
        memory = step.arena.layer(layer)
        query_size = counts.query * counts.size
        new = heads[:, query_size:].view(rows, 2, counts.key, counts.size)
        memory.view(-1, counts.size).index_copy_(0, step.targets, new.flatten(0, 2))
        seen = memory[:, :rows, :, : step.width].flatten(1, 2)
        query = heads[:, :query_size].reshape(rows * counts.key, -1, counts.size)
        keys = seen[0].transpose(1, 2)
        if step.mask is None:
            scores = torch.bmm(query, keys).mul_(self._scale)
        else:
            scores = torch.baddbmm(step.mask, query, keys, alpha=self._scale)
        return torch.bmm(scores.softmax(dim=-1), seen[1]).view(rows, query_size)

    def _step(self, arena: Arena, row_of: dict[Place, int], layout: Layout) -> _ArenaStep:
        heads, device = layout.heads, layout.device
        order = [row_of[place] for place in arena.members]
        lengths = [place.length for place in arena.members]
        index = torch.arange(len(order)).view(-1, 1)
        head = torch.arange(heads.key)
        first = (index * heads.key + head) * arena.capacity + torch.tensor(lengths).view(-1, 1)
        values = arena.layer(0)[0].numel() // heads.size
        # Row by row: the keys of all heads, then their values.
        targets = torch.stack([first, first + values], dim=1).flatten().to(device)
        width = max(lengths) + 1
        mask = None
        if min(lengths) + 1 < width:
            is_ahead = torch.arange(width) > torch.tensor(lengths).view(-1, 1)
            mask = torch.zeros(len(order), width).masked_fill_(is_ahead, float("-inf"))
            mask = mask.repeat_interleave(heads.key, dim=0).unsqueeze(1).to(device, layout.dtype)
        is_whole = order == list(range(len(row_of)))
        rows = None if is_whole else torch.tensor(order, device=device)
        return _ArenaStep(arena, rows, targets, width, mask)


class ReadAttention:
    """The attention of a pass of reading: stretches of several conversations, each causal over its own.

    Args:
        stretches: what was read so far and the number of new tokens of each, in the order of the rows.
    """

    def __init__(self, stretches: Sequence[tuple[Draft, int]], layout: Layout) -> None:
        self._heads = layout.heads
        self._scale = layout.heads.size**-0.5
        self._stretches = [
            (draft, count, _causal(draft.length, count, layout)) for draft, count in stretches
        ]

    def __call__(self, layer: int, heads: torch.Tensor) -> torch.Tensor:
        parts, start = [], 0
        for draft, count, mask in self._stretches:
            own = heads[start : start + count]
            parts.append(self._attend(layer, own, draft, mask))
            start += count
        return torch.cat(parts) if len(parts) > 1 else parts[0]

    def _attend(
        self, layer: int, heads: torch.Tensor, draft: Draft, mask: torch.Tensor
    ) -> torch.Tensor:
        counts, rows = self._heads, len(heads)
        query_size = counts.query * counts.size
        width = draft.length + rows
        memory = draft.memory[layer]
        new = heads[:, query_size:].view(rows, 2, counts.key, counts.size)
        memory[:, :, draft.length : width] = new.permute(1, 2, 0, 3)
        keys, values = memory[:, :, :width].unbind(0)
        # Query heads that share a key head stand over each other.
        query = heads[:, :query_size].view(rows, counts.key, -1, counts.size)
        query = query.permute(1, 2, 0, 3).flatten(1, 2)
        scores = torch.bmm(query * self._scale, keys.transpose(1, 2))
        scores = scores.unflatten(1, (-1, rows)).add_(mask).flatten(1, 2)
        seen = torch.bmm(scores.softmax(dim=-1), values).unflatten(1, (-1, rows))
        flat: torch.Tensor = seen.permute(2, 0, 1, 3).reshape(rows, query_size)
        return flat


def _causal(length: int, count: int, layout: Layout) -> torch.Tensor:
    """(count, length + count): minus infinity ahead of each new token."""
    mask = torch.full((count, length + count), float("-inf"))
    ahead: torch.Tensor = mask.triu_(length + 1).to(layout.device, layout.dtype)
    return ahead
