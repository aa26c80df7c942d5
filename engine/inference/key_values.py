"""Keys and values of the conversations that are decoded together, in memory of our own.

Conversations of a like length share an arena: one tensor with a place for each, in which the places in use stand
without a gap, so that a step of decoding reads a plain view of it. How long a conversation can become is known when it
joins, so it never moves to another arena. Arenas get more places when they are full. The arena that was left last is
kept for the next conversation of its length: fresh memory is zeroed page by page, and the next first token would wait.

Everything that was never written is zero, and what may hold no finite number is cleared when its place is given back:
a masked position still takes part in the product, and zero times infinity is no number.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from engine.models.attention import HeadCounts

_LEAST_TOKENS = 128
_FIRST_BYTES = 256 * 1024 * 1024
"""Taken for an arena at first, and the most that is kept when nobody is there. On a CPU, memory that nothing was
written to costs nothing."""


@dataclass(slots=True, eq=False)
class Place:
    """Where a conversation is held: `index` in an arena, of which `length` tokens are filled."""

    arena: Arena
    index: int
    length: int = 0


class Draft:
    """The keys and values of a prompt that is being read, by itself: it gets a place once it is read.

    Args:
        tokens: of the prompt.
        remembered: keys and values of its first tokens, where they are known.

    Attributes:
        length: tokens read.
    """

    def __init__(self, tokens: int, layout: Layout, remembered: torch.Tensor | None = None) -> None:
        self._tokens, self._layout, self._remembered = tokens, layout, remembered
        self._memory: torch.Tensor | None = None
        self.length = 0 if remembered is None else int(remembered.shape[3])

    @property
    def memory(self) -> torch.Tensor:
        """(layers, 2, key heads, prompt tokens, size); a prompt that waits for its turn takes none yet."""
        if self._memory is None:
            self._memory = self._layout.empty(self._tokens)
            if self._remembered is not None:
                self._memory[:, :, :, : self.length] = self._remembered
                self._remembered = None
        return self._memory


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

    @property
    def size_bytes(self) -> int:
        return self._memory.nbytes

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

    def empty(self, tokens: int) -> torch.Tensor:
        """For one conversation, (layers, 2, key heads, tokens, size)."""
        shape = (self.layer_count, 2, self.heads.key, tokens, self.heads.size)
        return torch.empty(shape, device=self.device, dtype=self.dtype)

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
        self._left: Arena | None = None

    def draft(self, tokens: int, remembered: torch.Tensor | None = None) -> Draft:
        """Memory for a prompt of `tokens`, begun with what `copied` gave of a conversation with the same beginning."""
        return Draft(tokens, self.layout, remembered)

    def place(self, draft: Draft, tokens: int) -> Place:
        """A place for a conversation that was read and never becomes longer than `tokens`."""
        capacity = _LEAST_TOKENS
        while capacity < tokens:
            capacity *= 2
        capacity = min(capacity, max(self._context_length, tokens))
        if capacity not in self._arenas:
            self._arenas[capacity] = self._empty_arena(capacity)
        place = self._arenas[capacity].add()
        place.arena.fill(place, draft)
        return place

    def remove(self, place: Place, *, is_clean: bool = True) -> None:
        """Give a place back.

        Args:
            is_clean: whether everything in it is known to be finite.
        """
        arena = place.arena
        arena.remove(place, is_clean=is_clean)
        if not arena.members:
            del self._arenas[arena.capacity]
            self._left = arena if arena.size_bytes <= _FIRST_BYTES else None

    def clear(self) -> None:
        """Give back the memory that is kept for conversations to come."""
        self._left = None

    def _empty_arena(self, capacity: int) -> Arena:
        arena, self._left = self._left, None
        if arena is None or arena.capacity != capacity:
            # Let go of the old memory first: never both are held.
            del arena
            arena = Arena(capacity, self._most_places, self.layout)
        return arena
