"""Tokenised datasets of recent jobs, so that the next job on the same data starts at once. Torch-free."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Any

CAPACITY_TOKENS = 4_000_000
"""Tokens kept in all: twenty megabytes."""


class TokenCache:
    """Values by key; the least recently used ones leave when all together hold more than `capacity_tokens`."""

    def __init__(self, capacity_tokens: int = CAPACITY_TOKENS) -> None:
        self._capacity_tokens = capacity_tokens
        self._entries: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Hashable) -> Any | None:
        """What was put under `key`, or None."""
        if key not in self._entries:
            return None
        self._entries.move_to_end(key)
        return self._entries[key][0]

    def put(self, key: Hashable, value: Any, token_count: int) -> None:
        self._entries[key] = (value, token_count)
        self._entries.move_to_end(key)
        while len(self._entries) > 1 and self._held() > self._capacity_tokens:
            self._entries.popitem(last=False)

    def _held(self) -> int:
        return sum(count for _value, count in self._entries.values())
