"""Keys and values of conversations that llama.cpp read, so that the next turn reads only what is new.

As in the room (engine.inference.prefixes) they belong to one conversation with one adapter.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from engine.inference.prefixes import Key


@dataclass(frozen=True, slots=True)
class Memory:
    """What is known of a conversation: exactly these tokens."""

    token_ids: list[int]
    content: bytes

    def shared_length(self, token_ids: Sequence[int]) -> int:
        """Tokens of a beginning in common; at least one token is left to read."""
        length = 0
        for known, wanted in zip(self.token_ids, token_ids[:-1], strict=False):
            if known != wanted:
                break
            length += 1
        return length


class Memories:
    """The least recently used one leaves.

    Args:
        limit_bytes: of all; one that is larger is not kept.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._kept: OrderedDict[Key, Memory] = OrderedDict()

    @property
    def size_bytes(self) -> int:
        return sum(len(memory.content) for memory in self._kept.values())

    def keep(self, key: Key, memory: Memory) -> None:
        """Remember a conversation in place of what was known of it."""
        self._kept.pop(key, None)
        self._kept[key] = memory
        while self._kept and self.size_bytes > self._limit_bytes:
            self._kept.popitem(last=False)

    def find(self, key: Key) -> Memory | None:
        """What is known of a conversation."""
        return self._kept.get(key)

    def clear(self) -> None:
        self._kept.clear()
