"""Adapters that a server loads while it runs, by vLLM's two requests."""

from __future__ import annotations

import logging
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from chat.backends.calls import ServerCall
from chat.backends.failures import REFUSED, ServerError
from chat.backends.openai_failures import refusal
from training.models import Adapter

logger = logging.getLogger(__name__)

KEPT_ADAPTERS = 64
"""That one worker has a server keep: it holds their names for ever otherwise."""

NOT_LOADED = "server_adapter"


@dataclass(frozen=True, slots=True)
class ServedAdapter:
    """An adapter under the name and the path that a server knows it by."""

    name: str
    path: str

    @classmethod
    def of(cls, adapter: Adapter, adapter_path: str) -> ServedAdapter:
        return cls(
            f"job-{adapter.job_id}-{adapter.digest[:12]}", f"{adapter_path}/{adapter.prefix}"
        )


class AdapterShelf:
    """What this process has had one server load; the longest unused are put away when they become too many.

    Args:
        url: of the server.
        kept: so many stay loaded; more while more are used at once.
    """

    def __init__(self, url: str, kept: int = KEPT_ADAPTERS) -> None:
        self._url = url
        self._kept = kept
        self._lock = threading.Lock()
        self._loading: dict[str, threading.Lock] = {}
        self._loaded: OrderedDict[str, None] = OrderedDict()
        self._users: Counter[str] = Counter()

    @contextmanager
    def held(self, call: ServerCall, adapter: ServedAdapter) -> Iterator[None]:
        """The adapter is loaded, and stays so within.

        Raises:
            ServerError: the server did not load it.
        """
        with self._lock:
            self._users[adapter.name] += 1
        try:
            self.load(call, adapter)
            self._put_away(call)
            yield
        finally:
            with self._lock:
                self._users[adapter.name] -= 1

    def load(self, call: ServerCall, adapter: ServedAdapter) -> None:
        """Load it unless it is; of several who need it at once, one loads it and the others wait."""
        with self._lock:
            loading = self._loading.setdefault(adapter.name, threading.Lock())
        with loading:
            with self._lock:
                if adapter.name in self._loaded:
                    self._loaded.move_to_end(adapter.name)
                    return
            _load(call, self._url, adapter)
            with self._lock:
                self._loaded[adapter.name] = None

    def forget(self, name: str) -> None:
        """The server does not have it any more: it was restarted, or another worker has put it away."""
        with self._lock:
            self._loaded.pop(name, None)

    def _put_away(self, call: ServerCall) -> None:
        for name in self._take_unused():
            try:
                with call.post(f"{self._url}/unload_lora_adapter", {"lora_name": name}) as answer:
                    if answer.status not in (200, 404):
                        raise refusal(answer)
            except ServerError as error:
                # Whoever waits for an answer is not to suffer for it.
                logger.warning("adapter %s not put away: %s", name, error.code)

    def _take_unused(self) -> list[str]:
        with self._lock:
            unused = [name for name in self._loaded if not self._users[name]]
            names = unused[: max(0, len(self._loaded) - self._kept)]
            for name in names:
                del self._loaded[name]
                del self._users[name]
                self._loading.pop(name, None)
        return names


def _load(call: ServerCall, url: str, adapter: ServedAdapter) -> None:
    body = {"lora_name": adapter.name, "lora_path": adapter.path}
    with call.post(f"{url}/load_lora_adapter", body) as answer:
        if answer.status == 200:
            return
        error = refusal(answer)
    if error.status == 400 and "already been loaded" in error.detail:
        return
    if error.status == 404 or error.code == REFUSED:
        # No such request, no such folder, or files that it can not use.
        raise ServerError(NOT_LOADED, error.detail, status=error.status)
    raise error
