"""Waiting replies become work of the engine, and its text becomes the replies. Runs in a worker's own two threads."""

from __future__ import annotations

import threading

from chat.execution.desk import Desk
from modelhub.lifecycle import worker_name

CLOSE_SECONDS = 10.0
"""The engine ends an answer after the step at hand, and one write tells of all."""

_lock = threading.Lock()
_desk: Desk | None = None


def desk() -> Desk:
    """The desk of this worker, opened at its first use."""
    global _desk
    with _lock:
        if _desk is None:
            _desk = Desk(worker_name())
            _desk.start()
        return _desk


def close_desk() -> None:
    """Give back the replies under way; before the engine is closed."""
    global _desk
    with _lock:
        closing, _desk = _desk, None
    if closing is not None:
        closing.close(CLOSE_SECONDS)
