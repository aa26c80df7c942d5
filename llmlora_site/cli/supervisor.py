"""Keeps a set of child processes running: waits for health, restarts the dead, stops them all in time."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from types import FrameType

from llmlora_site.cli.child import Child
from llmlora_site.cli.console import CommandFailure, StopRequested, say
from llmlora_site.cli.language import _

POLL_SECONDS = 0.1
START_SECONDS = 120
STOP_SECONDS = 7
"""Together with the servers' last second and the end of this process it stays under the promised ten."""
MAX_DEATHS = 5
DEATH_WINDOW_SECONDS = 60
MAX_BACKOFF_SECONDS = 8


@contextlib.contextmanager
def stop_signals() -> Iterator[None]:
    """Inside, SIGINT, SIGTERM and SIGHUP raise StopRequested."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise StopRequested

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Supervisor:
    """Children in the order of their start; they are stopped the other way round.

    Args:
        servers: what the others need (Redis); started first, stopped last.
        programs: started together.
        stop_seconds: how long the programs may take to end by themselves.
    """

    def __init__(
        self,
        servers: Sequence[Child],
        programs: Sequence[Child],
        *,
        stop_seconds: float = STOP_SECONDS,
    ) -> None:
        self._servers = list(servers)
        self._programs = list(programs)
        self._stop_seconds = stop_seconds
        self._deaths: dict[str, deque[float]] = {child.name: deque() for child in self.children}
        self._restart_at: dict[str, float] = {}

    @property
    def children(self) -> list[Child]:
        return [*self._servers, *self._programs]

    def start_servers(self) -> None:
        for child in self._servers:
            child.start()

    def start_programs(self) -> None:
        for child in self._programs:
            child.start()

    def wait_healthy(self, children: Sequence[Child] | None = None) -> None:
        """
        Raises:
            CommandFailure: one ended, or was not healthy in time.
        """
        deadline = time.monotonic() + START_SECONDS
        waiting = list(self.children if children is None else children)
        while waiting:
            for child in waiting:
                if not child.is_running:
                    raise CommandFailure(
                        _("%(part)s ended while starting. The last lines of its log:")
                        % {"part": child.label},
                        log_tail=child.log_tail(),
                    )
            # One after another: the web server is not asked before all it needs is there.
            while waiting and waiting[0].is_healthy:
                waiting.pop(0)
            if waiting and time.monotonic() > deadline:
                raise CommandFailure(
                    _("%(part)s did not become ready in two minutes. The last lines of its log:")
                    % {"part": waiting[0].label},
                    log_tail=waiting[0].log_tail(),
                )
            time.sleep(POLL_SECONDS)

    def watch(self) -> None:
        """Restart what dies, until a stop is requested.

        Raises:
            CommandFailure: one dies again and again.
        """
        while True:
            for child in self.children:
                if not child.is_running:
                    self._revive(child)
            time.sleep(POLL_SECONDS)

    def _revive(self, child: Child) -> None:
        now = time.monotonic()
        if child.name not in self._restart_at:
            self._restart_at[child.name] = now + self._note_death(child, now)
        elif now >= self._restart_at[child.name]:
            del self._restart_at[child.name]
            child.start()

    def _note_death(self, child: Child, now: float) -> float:
        """Tell it, and return the seconds to wait before the restart."""
        deaths = self._deaths[child.name]
        deaths.append(now)
        while now - deaths[0] > DEATH_WINDOW_SECONDS:
            deaths.popleft()
        if len(deaths) >= MAX_DEATHS:
            raise CommandFailure(
                _(
                    "%(part)s ended %(count)d times within a minute, so llmlora stops. The last lines of its log:"
                )
                % {"part": child.label, "count": len(deaths)},
                log_tail=child.log_tail(),
            )
        say(
            _("%(part)s ended unexpectedly (exit code %(code)s) and is started again.")
            % {"part": child.label, "code": child.exit_code},
            style="yellow",
        )
        return float(min(MAX_BACKOFF_SECONDS, 2 ** (len(deaths) - 2)))

    def stop(self) -> None:
        """End every child; what does not end by itself in time is killed."""
        with _ignored_signals():
            deadline = time.monotonic() + self._stop_seconds
            for child in self._programs:
                child.ask_to_stop()
            for child in self._programs:
                child.wait_stopped(deadline)
            for child in self._servers:
                child.ask_to_stop()
            for child in self._servers:
                child.wait_stopped(time.monotonic() + 1)


@contextlib.contextmanager
def _ignored_signals() -> Iterator[None]:
    """A second Ctrl-C must not leave children behind; the stop is short anyway."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
