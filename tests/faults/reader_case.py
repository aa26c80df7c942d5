"""F-25: pages of a class that stopped reading their job's socket."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

import psutil

from tests.faults.cases import LONG, row, wait_for_end, wait_for_step
from tests.faults.classroom import Classroom
from tests.faults.invariants import broken_invariants
from tests.faults.sockets import LiveSocket

SLOW_READERS = 20
SMALL_BUFFER_BYTES = 4096
MOST_BYTES_EACH = 8 * 2**20
LATE_SECONDS = 5.0
# The job must outlast twenty connections being made: the cases' own long one did not.
MANY_STEPS = LONG | {"batch_size": 1}


def f25_slow_readers(room: Classroom, digest: str) -> list[str]:
    """Twenty clients take a job's fragments and never read one: worker, other readers and memory do not notice."""
    owner = room.students[0]
    job_id = room.start_job(owner, **MANY_STEPS)
    wait_for_step(job_id)
    web = psutil.Process(room.stack.web.pid)
    before = web.memory_info().rss
    reader = _Reader(LiveSocket(room, owner, job_id))
    reader.start()
    with contextlib.ExitStack() as stack:
        for _ in range(SLOW_READERS):
            slow = LiveSocket(room, owner, job_id, as_html=True, buffer_bytes=SMALL_BUFFER_BYTES)
            stack.callback(slow.close)
        was_running = row(job_id).status == "running"
        wait_for_end(room, [job_id])
        reader.join(60)
        grown = web.memory_info().rss - before
    found = broken_invariants(room, [job_id]) + reader.complaints(job_id)
    if not was_running:
        found.append("F-25 the job was over before anybody was slow")
    if row(job_id).attempt != 1:
        found.append(f"F-25 the job needed {row(job_id).attempt} attempts")
    if grown > SLOW_READERS * MOST_BYTES_EACH:
        found.append(f"F-25 the web server grew by {grown / 2**20:.0f} MiB")
    return found


class _Reader(threading.Thread):
    """A client that reads."""

    def __init__(self, live: LiveSocket) -> None:
        super().__init__(daemon=True)
        self._live = live
        self._events: list[tuple[float, dict[str, Any]]] = []

    def run(self) -> None:
        self._events = self._live.events()
        self._live.close()

    def complaints(self, job_id: str) -> list[str]:
        """What it would have noticed of the others' slowness."""
        if not self._events:
            return ["F-25 the reader got nothing"]
        numbers = [event["seq"] for _at, event in self._events]
        at, last = self._events[-1]
        if last["type"] != "finished" or numbers != list(range(numbers[0], numbers[-1] + 1)):
            return [f"F-25 the reader missed events: {numbers[:3]} to {numbers[-3:]}"]
        late = at - row(job_id).completed_at.timestamp()
        if late > LATE_SECONDS:
            return [f"F-25 the reader heard of the end {late:.1f} s late"]
        return []
