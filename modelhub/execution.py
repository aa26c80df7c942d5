"""The worker's engine process: one per worker, started on demand, never in the web process."""

from __future__ import annotations

import threading
from pathlib import Path

from django.conf import settings

from engine.client import EngineClient

_lock = threading.Lock()
_client: EngineClient | None = None
_draining = threading.Event()


def engine() -> EngineClient:
    """The engine of this worker."""
    global _client
    with _lock:
        if _client is None:
            log: Path = settings.LLMLORA_HOME.logs / "engine.log"
            _client = EngineClient(log_path=log)
        return _client


def close_engine() -> None:
    """End the engine process; the next use starts a fresh one."""
    global _client
    with _lock:
        client, _client = _client, None
    if client is not None:
        client.close()


def start_draining() -> None:
    """The worker is asked to stop: nothing new is claimed, running work is given back."""
    _draining.set()


def is_draining() -> bool:
    return _draining.is_set()
