"""Starts, calls and ends the processes of the chat benchmark. Torch-free."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.chatting.plan import Setup
from benchmarks.training.workers import ROOT, environments

CLOSE_SECONDS = 10


class Process:
    """One process that answers JSON calls, a line each; it ends with its stdin.

    Args:
        arguments: module and its arguments.
        environment: `engine` as the product's engine process has it, or `plain` as a script in a terminal.
        log: file that its stderr is appended to.
    """

    def __init__(self, arguments: list[str], environment: str, log: Path) -> None:
        with log.open("ab") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                cwd=ROOT,
                env=environments("")[environment],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        self._name, self._log = " ".join(arguments)[:100], log

    @property
    def pid(self) -> int:
        return self._process.pid

    def call(self, method: str, **arguments: Any) -> Any:
        """The process's answer; ends the benchmark when there is none."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps({"method": method, "arguments": arguments}) + "\n")
            self._process.stdin.flush()
        return self.read(method)

    def read(self, what: str) -> Any:
        """The next line that it writes."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            tail = self._log.read_text(encoding="utf-8", errors="replace")[-3000:]
            raise SystemExit(f"{self._name} ended at {what}:\n{tail}")
        answer = json.loads(line)
        if "error" in answer:
            raise SystemExit(f"{self._name} failed at {what}:\n{answer['error']}")
        return answer["result"]

    def close(self) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Processes:
    """Those that stay for the whole run, each started when it is first wanted.

    Args:
        folder: for their logs.
    """

    def __init__(self, setup: Setup, folder: Path) -> None:
        self._setup = setup
        self._folder = folder
        self._running: dict[tuple[str, str], Process] = {}

    def get(self, kind: str, use: str = "") -> Process:
        """The process of a kind; another `use` is another process."""
        if (kind, use) not in self._running:
            self._running[kind, use] = Process(
                ["benchmarks.chatting.child", kind, self._setup.to_json()],
                "engine" if kind == "room" else "plain",
                self._folder / f"{kind}-{use}.log",
            )
        return self._running[kind, use]

    def close(self, kind: str, use: str) -> None:
        """End one before the others."""
        self._running.pop((kind, use)).close()

    def close_all(self) -> None:
        while self._running:
            self._running.popitem()[1].close()
