"""One life of an engine process: spawn, write requests, route events to their Work, end it.

Torch-free. The thread that spawns the process also reads it until its end: on Linux the engine asks to be killed when
the *thread* that spawned it ends (PR_SET_PDEATHSIG, prctl(2)), so that thread has to live as long as the process.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, Protocol

from engine import protocol
from engine.errors import EngineDiedError, OutOfMemoryError

logger = logging.getLogger(__name__)

Event = dict[str, Any]


class Receiver(Protocol):
    """Takes the events of one piece of work."""

    def put(self, event: Event) -> None: ...


class EngineProcess:
    """A running engine process, from spawn to exit."""

    def __init__(self, command: list[str], environment: Mapping[str, str], log_path: Path) -> None:
        """
        Raises:
            EngineDiedError: the process could not be started at all.
        """
        self._command = command
        self._environment = dict(environment)
        self._log_path = log_path
        self._lock = threading.Lock()
        self._write_lock = threading.Lock()
        self._receivers: dict[str, Receiver] = {}
        self._popen: subprocess.Popen[bytes] | None = None
        self._spawn_failure: OSError | None = None
        self._has_ended = False
        self._spawned = threading.Event()
        self._ready_or_ended = threading.Event()
        self._ended = threading.Event()
        self.ready: Event | None = None
        self._memory_kills = memory_kill_count()
        threading.Thread(target=self._live, name="engine-process", daemon=True).start()
        self._spawned.wait()
        if self._spawn_failure is not None:
            raise EngineDiedError(str(self._spawn_failure)) from self._spawn_failure

    @property
    def is_alive(self) -> bool:
        return not self._has_ended

    @property
    def pid(self) -> int:
        assert self._popen is not None
        return self._popen.pid

    @property
    def exit_code(self) -> int | None:
        return None if self._popen is None else self._popen.returncode

    def wait_ready(self, timeout: float) -> Event | None:
        """The `ready` event, or None when the process ended or `timeout` seconds passed."""
        self._ready_or_ended.wait(timeout)
        return self.ready

    def wait_ended(self, timeout: float) -> bool:
        """Whether the process ended and its open work was told within `timeout` seconds."""
        return self._ended.wait(timeout)

    def submit(self, request: protocol.Request, receiver: Receiver) -> bool:
        """Send a request whose events go to `receiver`; False when the process has ended."""
        with self._lock:
            if self._has_ended:
                return False
            if request.work_id in self._receivers:
                raise ValueError(f"work id {request.work_id} is in use")
            self._receivers[request.work_id] = receiver
        self.send(request)
        return True

    def send(self, request: protocol.Request) -> None:
        """Write one request; a broken pipe is told by the reader, which ends every open work."""
        assert self._popen is not None
        line = json.dumps(asdict(request), ensure_ascii=True).encode() + b"\n"
        with self._write_lock, contextlib.suppress(OSError, ValueError):
            stdin = self._popen.stdin
            assert stdin is not None
            stdin.write(line)
            stdin.flush()

    def close(self, timeout: float) -> None:
        """End it within `timeout` seconds: asked first, then told, then killed with its group."""
        assert self._popen is not None
        deadline = time.monotonic() + timeout
        self.send(protocol.Request(type="shutdown"))
        with contextlib.suppress(OSError, ValueError):
            self._popen.stdin.close()  # type: ignore[union-attr]
        if not self._ended.wait(timeout / 2):
            self._signal(signal.SIGTERM)
        if not self._ended.wait(max(0.0, deadline - time.monotonic() - timeout / 4)):
            self._signal(getattr(signal, "SIGKILL", signal.SIGTERM))
        self._ended.wait(max(0.1, deadline - time.monotonic()))

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(self.pid, number)
            else:
                self._popen.send_signal(number)  # type: ignore[union-attr]

    def _live(self) -> None:
        try:
            self._popen = self._spawn()
        except OSError as failure:
            self._spawn_failure = failure
            self._has_ended = True
            self._spawned.set()
            return
        self._spawned.set()
        assert self._popen.stdout is not None
        try:
            self._read_events(self._popen.stdout)
        finally:
            self._popen.wait()
            self._end_open_work()

    def _spawn(self) -> subprocess.Popen[bytes]:
        self._log_path.parent.mkdir(parents=True, exist_ok=True)
        with self._log_path.open("ab") as log:
            return subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=self._environment,
                cwd=self._log_path.parent,
                start_new_session=True,
            )

    def _read_events(self, stdout: IO[bytes]) -> None:
        while line := stdout.readline(protocol.MAX_LINE_BYTES + 1):
            try:
                event = json.loads(line)
                kind, work_id = event["type"], event.get("work_id", "")
            except (ValueError, KeyError, TypeError, AttributeError):
                logger.warning(
                    "engine pid=%s sent an unreadable line of %s bytes", self.pid, len(line)
                )
                continue
            if kind == "ready":
                self.ready = event
                self._ready_or_ended.set()
            else:
                self._route(kind, work_id, event)

    def _route(self, kind: str, work_id: str, event: Event) -> None:
        with self._lock:
            receiver = self._receivers.get(work_id)
            if kind in protocol.TERMINAL_TYPES:
                self._receivers.pop(work_id, None)
        if receiver is None:
            logger.warning("engine pid=%s event %s for unknown work=%s", self.pid, kind, work_id)
        else:
            receiver.put(event)

    def _end_open_work(self) -> None:
        exit_code = self.exit_code
        with self._lock:
            self._has_ended = True
            receivers, self._receivers = self._receivers, {}
        code = self._death_code()
        for work_id, receiver in receivers.items():
            receiver.put(
                {
                    "type": "failed",
                    "work_id": work_id,
                    "code": code,
                    "params": {"exit_code": exit_code},
                    "detail": f"engine process ended with exit code {exit_code}",
                }
            )
        with contextlib.suppress(OSError, ValueError):
            self._popen.stdin.close()  # type: ignore[union-attr]
        self._ready_or_ended.set()
        self._ended.set()

    def _death_code(self) -> str:
        """Whether the kernel took the process for lack of memory, or it died otherwise."""
        is_killed = self.exit_code == -getattr(signal, "SIGKILL", 9)
        if is_killed and memory_kill_count() > self._memory_kills:
            return OutOfMemoryError.code
        return EngineDiedError.code


def memory_kill_count() -> int:
    """Processes that the kernel has killed for lack of memory since boot (proc_vmstat, oom_kill); 0 elsewhere."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/vmstat").read_text(encoding="ascii").splitlines():
            name, _space, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
    return 0
