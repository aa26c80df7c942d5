"""A real stack in a folder of its own: Redis, web server, workers, a database; restarts what a test killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from tests.e2e.product import ROOT, free_port

START_SECONDS = 180
LEASE_SECONDS = 6.0
ENVIRONMENT = {
    "LLMLORA_LEASE_SECONDS": str(LEASE_SECONDS),
    "LLMLORA_PATROL_SECONDS": "0.5",
    "LLMLORA_LOSS_BACKOFF_SECONDS": "0.5",
    "LLMLORA_JOBS_PER_DEVICE": "1",
    "LLMLORA_LANGUAGE": "en",
    "HF_HUB_OFFLINE": "1",
    "LLMLORA_SKIP_BUNDLED": "1",
    # Several engines share the cores of one machine.
    "OMP_NUM_THREADS": "1",
    "PYTHONUNBUFFERED": "1",
}


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.05)


class Program:
    """One process of the stack, started again with the same command."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str], log: Path):
        self.name, self._command, self._environment, self._log = name, command, environment, log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def engine_pid(self) -> int | None:
        """The engine of a worker."""
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(self.pid).children(recursive=True):
                if "engine.server" in child.cmdline():
                    return child.pid
        return None

    def stop(self, seconds: float = 30) -> float:
        """Ask it to end; returns how long that took."""
        started = time.monotonic()
        if self.is_running:
            assert self.process is not None
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return time.monotonic() - started


class Stack:
    """Everything that a classroom runs, with short leases; Django of this process works on the same home.

    Args:
        folder: holds home, logs and the files that arm crash points.
        database_url: of PostgreSQL; SQLite when empty.
    """

    def __init__(self, folder: Path, database_url: str = "", worker_count: int = 2) -> None:
        self.crash_folder = folder / "crash"
        self.crash_folder.mkdir(parents=True)
        self.logs = folder / "logs"
        self.logs.mkdir()
        self.port = free_port()
        self.environment = (
            {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
            | ENVIRONMENT
            | {
                "LLMLORA_HOME": str(folder / "home"),
                "LLMLORA_CRASH_POINTS": str(self.crash_folder),
            }
        )
        if database_url:
            self.environment["DATABASE_URL"] = database_url
        os.environ.update(self.environment)
        self._set_up(folder)
        from llmlora_site.cli import children

        names = [f"worker-{number}" for number in range(1, worker_count + 1)]
        self.workers = [
            self._program(
                name, children.worker_command(f"{name}@%h"), {"LLMLORA_WORKER_NAME": name}
            )
            for name in names
        ]
        self.web = self._program("web", children.web_command("127.0.0.1", self.port), {})
        self.restarts = True
        self.restart_count = 0
        self._is_closing = False

    def _set_up(self, folder: Path) -> None:
        from engine.tests.factories import make_tiny_base_model
        from llmlora_site.cli.preparation import prepare_data
        from llmlora_site.cli.redis_server import find_redis_server
        from llmlora_site.home import Home

        self.home = Home(folder / "home")
        self.home.create()
        make_tiny_base_model(self.home.local_models / "tiny")
        prepare_data(self.home)
        self.home.redis_socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.redis = self._program(
            "redis",
            [
                str(find_redis_server()),
                *("--port", "0", "--unixsocket", str(self.home.redis_socket)),
                *("--save", "", "--appendonly", "no", "--dir", str(self.home.redis_socket.parent)),
            ],
            {},
        )

    def _program(self, name: str, command: list[str], extra: dict[str, str]) -> Program:
        return Program(name, command, self.environment | extra, self.logs / f"{name}.log")

    @property
    def programs(self) -> list[Program]:
        return [self.redis, self.web, *self.workers]

    def start(self) -> None:
        self.redis.start()
        for program in (self.web, *self.workers):
            program.start()
        self.wait_ready()
        threading.Thread(target=self._watch, daemon=True).start()

    def wait_ready(self) -> None:
        """Until the web server answers and every worker has a living engine."""
        from llmlora_site.cli import children

        def is_ready() -> bool:
            return children.answers_healthy("127.0.0.1", self.port) and all(
                worker.is_running and worker.engine_pid() for worker in self.workers
            )

        wait_until(is_ready, START_SECONDS, f"the stack is ready; see {self.logs}")

    def _watch(self) -> None:
        """Start again what died, as `llmlora up` and every process manager do."""
        while not self._is_closing:
            for program in self.programs:
                if self.restarts and not program.is_running and not self._is_closing:
                    program.start()
                    self.restart_count += 1
            time.sleep(0.1)

    def close(self) -> None:
        self._is_closing = True
        for program in (*self.workers, self.web, self.redis):
            program.stop()

    # --- crash points ---------------------------------------------------------------------------

    def arm(self, place: str, target: str) -> None:
        """Kill target (engine, worker or group) when any process passes the place, once."""
        worker = self.workers[0]
        if place in ("P1", "P2"):
            # The web server passes here; the kill goes to the first worker.
            pids = {"engine": [worker.engine_pid()], "worker": [worker.pid]}
            pids["group"] = pids["engine"] + pids["worker"]
            names = [str(pid) for pid in pids[target] if pid]
        elif place in ("P5", "P6", "P7"):
            names = {"engine": ["self"], "worker": ["parent"], "group": ["parent", "self"]}[target]
        else:
            names = {"engine": ["children"], "worker": ["self"], "group": ["children", "self"]}[
                target
            ]
        draft = self.crash_folder / f".{place}"
        draft.write_text(" ".join(names))
        draft.rename(self.crash_folder / place)

    def is_armed(self, place: str) -> bool:
        return (self.crash_folder / place).exists()

    def disarm(self) -> None:
        for path in self.crash_folder.iterdir():
            path.unlink()
