"""Waiting replies become work of a back end, and its text becomes the replies. Runs in a worker's own two threads."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from modelhub.lifecycle import worker_name

if TYPE_CHECKING:
    from chat.execution.desks import Desk

CLOSE_SECONDS = 10.0
"""The engine ends an answer after the step at hand, and one write tells of all."""

_lock = threading.Lock()
_desk: Desk | None = None


def desk() -> Desk:
    """The desk of this worker, opened at its first use."""
    # The desk needs the back ends, which need the specs of this package: while it is imported, there is no desk yet.
    from chat.execution.desks import Desk  # noqa: PLC0415

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
