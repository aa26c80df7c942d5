"""Memory and processor time of each part of the running product, of the clients, and of everybody else."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field

import psutil

PARTS = {"web_server": "web", "celery": "worker", "engine.server": "engine", "redis": "redis"}
SAMPLE_SECONDS = 5


@dataclass(slots=True)
class Part:
    """One process of the product.

    Attributes:
        memory: resident bytes at each sample.
        processor_seconds: used between the first sample and the last.
    """

    memory: list[int] = field(default_factory=list)
    processor_seconds: float = 0.0


class Watch:
    """Looks at the product's processes now and then while the run goes on."""

    def __init__(self, product_pid: int) -> None:
        self._product = psutil.Process(product_pid)
        self._own = psutil.Process()
        self._found: dict[str, psutil.Process] = {}
        self._before: dict[str, float] = {}
        self._started = 0.0
        self._busy_before = 0.0
        self.at: list[float] = []
        self.open_sockets: list[int] = []
        self.parts: dict[str, Part] = {}
        self.machine_seconds = 0.0
        self.wall_seconds = 0.0

    async def run(self, open_sockets: object) -> None:
        """Until cancelled.

        Args:
            open_sockets: something with an attribute `open`.
        """
        self._started = time.perf_counter()
        self._busy_before = _busy_seconds()
        while True:
            self._sample()
            self.open_sockets.append(open_sockets.open)  # type: ignore[attr-defined]
            await asyncio.sleep(SAMPLE_SECONDS)

    def _sample(self) -> None:
        self.at.append(round(time.perf_counter() - self._started, 1))
        for name, process in self._processes().items():
            part = self.parts.setdefault(name, Part())
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                used = times.user + times.system
                key = f"{name} {process.pid}"
                part.processor_seconds += used - self._before.setdefault(key, used)
                self._before[key] = used
                part.memory.append(process.memory_info().rss)
        self.machine_seconds = _busy_seconds() - self._busy_before
        self.wall_seconds = time.perf_counter() - self._started

    def _processes(self) -> dict[str, psutil.Process]:
        if len(self._found) < len(PARTS) or not all(
            process.is_running() for process in self._found.values()
        ):
            self._found = self._find()
        return self._found | {"clients": self._own}

    def _find(self) -> dict[str, psutil.Process]:
        found: dict[str, psutil.Process] = {}
        for process in self._product.children(recursive=True):
            with contextlib.suppress(psutil.Error):
                words = " ".join(process.cmdline())
                name = next((name for word, name in PARTS.items() if word in words), None)
                # A launcher that names the program it starts is the smaller one of the two.
                if name and (
                    name not in found or process.memory_info().rss > found[name].memory_info().rss
                ):
                    found[name] = process
        return found


def _busy_seconds() -> float:
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system)
