"""How long a device has worked on one job, by a monotonic clock."""

from __future__ import annotations

import time


class DeviceClock:
    """Runs while the device works on the job, stands while another job or nothing has it."""

    def __init__(self) -> None:
        self._counted = 0.0
        self._since: float | None = None

    def run(self) -> None:
        if self._since is None:
            self._since = time.monotonic()

    def stop(self) -> None:
        self._counted += self._passed()
        self._since = None

    @property
    def seconds(self) -> float:
        """Not taken yet."""
        return self._counted + self._passed()

    def take(self) -> float:
        """The seconds since they were taken last."""
        is_running = self._since is not None
        self.stop()
        taken, self._counted = self._counted, 0.0
        if is_running:
            self.run()
        return taken

    def _passed(self) -> float:
        return 0.0 if self._since is None else time.monotonic() - self._since
