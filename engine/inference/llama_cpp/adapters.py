"""Adapters in llama.cpp's memory, by digest: those in use stay, of the others the least recently used one leaves."""

from __future__ import annotations

from collections import Counter, OrderedDict
from pathlib import Path

from engine.inference.adapter_cache import digest_of
from engine.inference.llama_cpp.files import adapter_file
from engine.inference.llama_cpp.model import LlamaAdapter, LlamaModel
from engine.protocol import BaseModelRef


class LlamaAdapters:
    """The adapters of one model.

    Args:
        cache: folder for files while they are read.
        most: adapters kept; those in use stay beyond it.
        limit_bytes: likewise.
    """

    def __init__(
        self, model: LlamaModel, ref: BaseModelRef, cache: Path, most: int, limit_bytes: int
    ) -> None:
        self._model, self._ref, self._cache = model, ref, cache
        self._most, self._limit_bytes = most, limit_bytes
        self._adapters: OrderedDict[str, LlamaAdapter] = OrderedDict()
        self._users: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._adapters)

    def acquire(self, path: str, digest: str) -> tuple[str, LlamaAdapter]:
        """The digest and the adapter of a folder, read when it is not there; give the digest back with release.

        Raises:
            AdapterError: the folder is unusable, was changed, or is of a kind that llama.cpp can not apply.
        """
        folder = Path(path)
        digest = digest or digest_of(folder)
        if digest not in self._adapters:
            with adapter_file(self._cache, folder, digest, self._ref) as file:
                self._adapters[digest] = self._model.adapter(file)
        self._adapters.move_to_end(digest)
        self._users[digest] += 1
        self._make_room()
        return digest, self._adapters[digest]

    def release(self, digest: str) -> None:
        """End one use; the adapter stays for the next while there is room."""
        self._users[digest] -= 1
        self._make_room()

    def _make_room(self) -> None:
        for digest in list(self._adapters):
            size_bytes = sum(adapter.size_bytes for adapter in self._adapters.values())
            if len(self._adapters) <= self._most and size_bytes <= self._limit_bytes:
                return
            if self._users[digest] <= 0:
                self._adapters.pop(digest).close()
                del self._users[digest]
