"""After Redis was silent once, nobody waits for it again for a moment: what it is told is only a hint."""

from __future__ import annotations

import time
from collections.abc import Callable

PAUSE_SECONDS = 5.0
"""As long as a worker's patrol takes to find a row whose poke was lost."""


class Pause:
    """Begins with a failure and ends by itself. From any thread.

    Args:
        clock: seconds that only grow.
    """

    def __init__(
        self, seconds: float = PAUSE_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = seconds
        self._clock = clock
        self._until = float("-inf")

    @property
    def is_on(self) -> bool:
        return self._clock() < self._until

    def begin(self) -> None:
        self._until = self._clock() + self._seconds

    def end(self) -> None:
        self._until = float("-inf")


redis_pause = Pause()
"""Of this process: pokes and events go to the same Redis."""
