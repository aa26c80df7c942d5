"""One supervised process: started in its own group, tied to this one, logged to a file, ended with all it started."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil

PROJECT_ROOT = Path(__file__).resolve().parent.parent.parent
TIED_EXEC = Path(__file__).with_name("tied_exec.py")
KEPT_LOGS = 3
TAIL_LINES = 15
# psutil derives start times from clock ticks; two readings of one process may differ by rounding.
SAME_START_SECONDS = 0.5


class Child:
    """A process of the running system.

    Args:
        name: names its log and pid file.
        label: what people call it, translated.
        command: program and arguments.
        run_dir: folder of pid files; a process that an earlier life left behind is found through it.
        log: file for its output; None leaves the output on this terminal.
        is_healthy: whether it does its work, asked while it runs.
    """

    def __init__(
        self,
        name: str,
        label: str,
        command: list[str],
        *,
        run_dir: Path,
        log: Path | None,
        is_healthy: Callable[[Child], bool],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.label = label
        self.log = log
        self._command = command
        self._pid_file = run_dir / f"{name}.pid"
        self._is_healthy = is_healthy
        self._environment = dict(os.environ if environment is None else environment)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def is_healthy(self) -> bool:
        return self.is_running and self._is_healthy(self)

    @property
    def exit_code(self) -> int | None:
        return self._process.poll() if self._process else None

    def start(self) -> None:
        end_left_behind(self._pid_file)
        with contextlib.ExitStack() as stack:
            output = stack.enter_context(self.log.open("ab")) if self.log else None
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(TIED_EXEC), str(os.getpid()), *self._command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT if output else None,
                env=self._environment,
                cwd=PROJECT_ROOT,
                start_new_session=True,
            )
        with contextlib.suppress(psutil.Error):
            started_at = psutil.Process(self.pid).create_time()
            self._pid_file.write_text(json.dumps({"pid": self.pid, "started_at": started_at}))

    def ask_to_stop(self) -> None:
        if self.is_running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)

    def wait_stopped(self, deadline: float) -> None:
        """Wait until `deadline` (monotonic seconds), then kill it and everything it started."""
        if self._process is None:
            return
        tree = _tree(self.pid)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(max(0.05, deadline - time.monotonic()))
        _kill(tree)
        self._process.wait()
        self._pid_file.unlink(missing_ok=True)

    def log_tail(self) -> str:
        if self.log is None:
            return ""
        try:
            with self.log.open("rb") as stream:
                stream.seek(max(0, self.log.stat().st_size - 16_384))
                text = stream.read().decode("utf-8", "replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-TAIL_LINES:])


def end_left_behind(pid_file: Path) -> None:
    """Kill the process of a pid file when it still lives: its parent died without a chance to stop it."""
    try:
        noted = json.loads(pid_file.read_text())
        process = psutil.Process(noted["pid"])
        if abs(process.create_time() - noted["started_at"]) < SAME_START_SECONDS:
            _kill(_tree(process.pid))
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        pass
    pid_file.unlink(missing_ok=True)


def rotate_log(log: Path) -> None:
    """Move the last run's log aside; a few are kept."""
    for number in range(KEPT_LOGS - 1, 0, -1):
        older = log.with_name(f"{log.name}.{number}")
        if older.exists():
            older.replace(log.with_name(f"{log.name}.{number + 1}"))
    if log.exists() and log.stat().st_size:
        log.replace(log.with_name(f"{log.name}.1"))


def _tree(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


def _kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(processes, timeout=2)
