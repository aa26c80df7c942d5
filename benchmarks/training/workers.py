"""Starts and calls the worker processes of the training benchmark."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.training.work import Outcome, Setup, Work
from engine.client import engine_environment

ROOT = Path(__file__).resolve().parents[2]
CLOSE_SECONDS = 10

_OFFLINE = {
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "PYTHONPATH": str(ROOT),
}
_ISA = {
    "avx2": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
    }
}
"""Variables that make torch, MKL and oneDNN leave the newer instructions of a processor alone."""

ISAS = tuple(_ISA)

_TOLD = (
    "ATEN_",
    "DNNL_",
    "GOMP_",
    "KMP_",
    "LD_PRELOAD",
    "MALLOC_",
    "MKL_",
    "OMP_",
    "ONEDNN_",
    "THP_",
)
"""Starts of the names of variables that steer threads, memory and instructions."""


def environments(isa: str) -> dict[str, dict[str, str]]:
    """`plain` is the user's own, as a script in a terminal has it; `engine` is that of the product's engine process."""
    limits = _ISA.get(isa, {})
    return {
        "plain": dict(os.environ) | _OFFLINE | limits,
        "engine": engine_environment(os.environ) | limits,
    }


def chosen_variables(environment: dict[str, str]) -> dict[str, str]:
    """Those that a measured time depends on."""
    return {
        name: value
        for name, value in sorted(environment.items())
        if name.startswith(_TOLD) or name == "GLIBC_TUNABLES"
    }


class Worker:
    """One worker process; it ends with its stdin.

    Args:
        log: file that its stderr is appended to.
    """

    def __init__(self, kind: str, environment: dict[str, str], setup: Setup, log: Path) -> None:
        self._kind = kind
        with log.open("ab") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.training.worker", kind, setup.to_json()],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        self._log = log

    def call(self, method: str, **arguments: Any) -> Any:
        """The worker's answer; ends the benchmark when there is none."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"method": method, "arguments": arguments}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"the worker {self._kind} ended:\n{_tail(self._log)}")
        answer = json.loads(line)
        if "error" in answer:
            raise SystemExit(f"the worker {self._kind} failed at {method}:\n{answer['error']}")
        return answer["result"]

    def run(self, work: Work) -> Outcome:
        return Outcome(**self.call("run", work=asdict(work)))

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Workers:
    """All worker processes of a run; each is started when it is first wanted.

    Args:
        environments: by name.
        folder: for their logs.
    """

    def __init__(self, setup: Setup, environments: dict[str, dict[str, str]], folder: Path) -> None:
        self._setup = setup
        self._environments = environments
        self._folder = folder
        self._running: dict[str, Worker] = {}

    def get(self, kind: str, environment: str = "plain", use: str = "") -> Worker:
        """The worker of a kind in an environment; another `use` is another process."""
        name = "-".join(filter(None, (kind, environment, use)))
        if name not in self._running:
            chosen = self._environments[environment]
            log = self._folder / f"{name}.log"
            self._running[name] = Worker(kind, chosen, self._setup, log)
        return self._running[name]

    def close(self, kind: str, environment: str = "plain", use: str = "") -> None:
        worker = self._running.pop("-".join(filter(None, (kind, environment, use))), None)
        if worker is not None:
            worker.close()

    def close_all(self) -> None:
        while self._running:
            self._running.popitem()[1].close()


def _tail(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-3000:]
