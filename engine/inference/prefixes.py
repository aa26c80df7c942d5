"""Beginnings of conversations that the engine remembers, so that the next turn reads only what is new.

A beginning belongs to one conversation with one adapter: keys and values depend on both, and nothing is ever taken from
somebody else's conversation.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import torch

Key = tuple[str, str]
"""Conversation and digest of the adapter."""


@dataclass(frozen=True, slots=True)
class _Beginning:
    token_ids: list[int]
    memory: torch.Tensor

    @property
    def size_bytes(self) -> int:
        return self.memory.numel() * self.memory.element_size()


class Prefixes:
    """Keys and values by conversation; the least recently used one leaves.

    Args:
        limit_bytes: of all; one that is larger is not remembered.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._beginnings: OrderedDict[Key, _Beginning] = OrderedDict()
        self.size_bytes = 0

    def keep(self, key: Key, token_ids: Sequence[int], memory: torch.Tensor) -> None:
        """Remember a conversation in place of what was known of it.

        Args:
            memory: (layers, 2, key heads, tokens, size) of exactly these tokens.
        """
        self._forget(key)
        beginning = _Beginning(list(token_ids), memory)
        if beginning.size_bytes > self._limit_bytes:
            return
        self._beginnings[key] = beginning
        self.size_bytes += beginning.size_bytes
        while self.size_bytes > self._limit_bytes:
            self._forget(next(iter(self._beginnings)))

    def find(self, key: Key, token_ids: Sequence[int]) -> torch.Tensor | None:
        """The memory of the longest beginning in common; at least one token is left to read."""
        beginning = self._beginnings.get(key)
        if beginning is None:
            return None
        self._beginnings.move_to_end(key)
        length = 0
        for known, wanted in zip(beginning.token_ids, token_ids[:-1], strict=False):
            if known != wanted:
                break
            length += 1
        return beginning.memory[:, :, :, :length] if length else None

    def clear(self) -> None:
        self._beginnings.clear()
        self.size_bytes = 0

    def _forget(self, key: Key) -> None:
        known = self._beginnings.pop(key, None)
        if known is not None:
            self.size_bytes -= known.size_bytes
