"""A running `llmlora up` for the browser tests: real Redis, real worker, real engine, bundled model."""

from __future__ import annotations

import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
START_LIMIT_SECONDS = 240


class Product:
    """One instance on its own home folder.

    Attributes:
        address: where it answers.
        sign_in_link: the one-time link for the first instructor, or "".
    """

    def __init__(self, home: Path, **environment: str) -> None:
        self.home = home
        self.address = f"http://127.0.0.1:{free_port()}"
        self.sign_in_link = ""
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "llmlora_site.cli",
                "up",
                "--no-browser",
                "--port",
                self.address.rpartition(":")[2],
            ],
            cwd=ROOT,
            env=os.environ | {"LLMLORA_HOME": str(home), "LLMLORA_LANGUAGE": "en"} | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.output: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.rstrip())
        self._lines.put(None)

    def wait_ready(self) -> None:
        """Wait for the line that names the sign-in link, which `up` prints once everything is healthy."""
        self.sign_in_link = self.wait_for("/sign-in/?token=").split()[-1]

    def wait_for(self, text: str) -> str:
        """The next line that holds the text."""
        while True:
            line = self._lines.get(timeout=START_LIMIT_SECONDS)
            if line is None:
                raise AssertionError("llmlora up ended: " + "\n".join(self.output))
            self.output.append(line)
            if text in line:
                return line

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=20)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
