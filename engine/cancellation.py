"""The flag by which a reader thread asks work to end, and the work's side of it. Torch-free."""

from __future__ import annotations

import threading

from engine.errors import CancelledError


class CancelFlag:
    """Set once by any thread; read by the loop's thread between and inside device operations."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        self._event.set()

    @property
    def is_set(self) -> bool:
        return self._event.is_set()

    def raise_if_set(self) -> None:
        """
        Raises:
            CancelledError: the flag is set.
        """
        if self._event.is_set():
            raise CancelledError
