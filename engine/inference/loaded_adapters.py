"""Adapters in memory for chats, by digest: those in use stay, of the others the least recently used one leaves."""

from __future__ import annotations

from collections import Counter, OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING

from engine.inference.adapter_cache import digest_of
from engine.inference.adapter_weights import AdapterWeights, read_adapter
from engine.inference.stacks import AdapterStacks

if TYPE_CHECKING:
    from engine.models.loading import ResidentModel


class LoadedAdapters:
    """The adapters of one resident model.

    Args:
        stacks: hold their weights.
        limit_bytes: for those that nobody uses, together with those in use.
    """

    def __init__(self, resident: ResidentModel, stacks: AdapterStacks, limit_bytes: int) -> None:
        self._resident = resident
        self._stacks = stacks
        self._limit_bytes = limit_bytes
        self._adapters: OrderedDict[str, AdapterWeights] = OrderedDict()
        self._users: Counter[str] = Counter()
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._adapters)

    def acquire(self, path: str, digest: str) -> AdapterWeights:
        """The adapter in a folder, read when it is not there; give it back with release.

        Args:
            digest: sha256 of its weights, which is its version; computed when empty.

        Raises:
            AdapterError: the folder is missing, incomplete, changed, or made for another base model.
        """
        folder = Path(path)
        digest = digest or digest_of(folder)
        adapter = self._adapters.get(digest)
        if adapter is None:
            adapter = read_adapter(folder, digest, self._resident)
            self._stacks.hold(adapter)
            self._adapters[digest] = adapter
            self.size_bytes += adapter.size_bytes
        self._adapters.move_to_end(digest)
        self._users[digest] += 1
        self._make_room()
        return adapter

    def release(self, adapter: AdapterWeights) -> None:
        """End one use; the adapter stays for the next while there is room."""
        self._users[adapter.digest] -= 1
        self._make_room()

    def _make_room(self) -> None:
        for digest in list(self._adapters):
            if self.size_bytes <= self._limit_bytes:
                return
            if self._users[digest] <= 0:
                adapter = self._adapters.pop(digest)
                self.size_bytes -= adapter.size_bytes
                self._stacks.drop(adapter)
                del self._users[digest]
