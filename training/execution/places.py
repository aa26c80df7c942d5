"""The jobs that this worker holds at once."""

from __future__ import annotations

import threading

from django.conf import settings


class Places:
    """The jobs that this worker's engine may hold at once; which of them runs is the engine's choice."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.taken = 0

    @property
    def free(self) -> int:
        return max(0, settings.JOBS_PER_DEVICE - self.taken)

    def take(self) -> bool:
        """Whether there was a place; it is given back with `give_back`."""
        with self._lock:
            if not self.free:
                return False
            self.taken += 1
            return True

    def give_back(self) -> None:
        with self._lock:
            self.taken -= 1


places = Places()


def is_training() -> bool:
    return places.taken > 0


def free_places() -> int:
    """How many more jobs this worker may take."""
    return places.free
