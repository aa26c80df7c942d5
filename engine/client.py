"""The supervisor's side of the engine process: start it, hand it work, hear its events, end it.

Torch-free and thread-safe. One EngineClient owns at most one engine process at a time; when the process dies, every
open Work ends with `failed` (code engine_died) and the next submit starts a fresh process.
"""

from __future__ import annotations

import logging
import os
import queue
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from engine import crash_points, protocol
from engine.errors import EngineDiedError
from engine.process import EngineProcess

logger = logging.getLogger(__name__)

ALLOWED_ENVIRONMENT = (
    "CUDA_VISIBLE_DEVICES",
    "HOME",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    crash_points.VARIABLE,
    "LLMLORA_CHAT_ENGINE",
    "LLMLORA_CHAT_PRECISION",
    "LLMLORA_DEVICE",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "PATH",
    "SYSTEMROOT",
    "TEMP",
    "TMPDIR",
    "TZ",
)
"""What the engine process inherits: no secret of the worker reaches the process that reads students' files."""

FIXED_ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    # Threads that spin at a barrier take the cores from the one they wait for, as soon as anything else runs
    # on the machine (docs/experiments.md).
    "OMP_WAIT_POLICY": "PASSIVE",
    # Small products end sooner than a sleeping thread wakes: some microseconds of spinning come first.
    "GOMP_SPINCOUNT": "1000",
    # Every length of a pass has its own products. oneDNN keeps 1024 of them by default, torch's layer above it as
    # many of its own, and either alone a few hundred megabytes. Twelve jobs took the same time with 64
    # (docs/experiments.md).
    "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "64",
    "LRU_CACHE_CAPACITY": "64",
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "PYTHONUNBUFFERED": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
}

Event = dict[str, Any]


def engine_environment(source: Mapping[str, str]) -> dict[str, str]:
    """The environment of the engine process, built from `source` by the allow-list."""
    environment = {name: source[name] for name in ALLOWED_ENVIRONMENT if name in source}
    project_root = str(Path(__file__).resolve().parent.parent)
    return environment | FIXED_ENVIRONMENT | {"PYTHONPATH": project_root}


class Work:
    """One piece of work at the engine: iterate it for its events; the last one is terminal."""

    def __init__(self, work_id: str, client: EngineClient) -> None:
        self.work_id = work_id
        self._client = client
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._is_done = False

    def __iter__(self) -> Iterator[Event]:
        while not self._is_done:
            event = self.next()
            if event is not None:
                yield event

    def next(self, timeout: float | None = None) -> Event | None:
        """The next event, or None after `timeout` seconds or once the terminal event was given out."""
        if self._is_done:
            return None
        try:
            event = self._events.get(timeout=timeout)
        except queue.Empty:
            return None
        if event["type"] in protocol.TERMINAL_TYPES:
            self._is_done = True
        return event

    @property
    def is_done(self) -> bool:
        """Whether the terminal event was given out."""
        return self._is_done

    def cancel(self) -> None:
        """Ask the engine to end this work; it answers with a terminal event, usually `cancelled`."""
        self._client.cancel(self.work_id)

    def stop(self) -> None:
        """Ask the engine to finish this training job after the step at hand; it answers with `finished`."""
        self._client.signal("stop", self.work_id)

    def suspend(self) -> None:
        """Ask the engine to write a checkpoint after the step at hand; it answers with `cancelled`, suspended."""
        self._client.signal("suspend", self.work_id)

    def put(self, event: Event) -> None:
        """Hand over an event; called by the process's reader."""
        self._events.put(event)


class EngineClient:
    """Supervises the engine process of one device.

    Args:
        log_path: file that the engine's stderr is appended to.
        environment: source of the allow-listed variables; the current environment when not given.
    """

    def __init__(self, log_path: Path | str, environment: Mapping[str, str] | None = None) -> None:
        self._log_path = Path(log_path)
        self._environment = environment
        self._lock = threading.RLock()
        self._process: EngineProcess | None = None
        self._is_closed = False

    def start(self, timeout: float = 120.0) -> Event:
        """Start the process when none runs and wait until it is ready.

        Returns:
            The engine's `ready` event.

        Raises:
            EngineDiedError: it ended, or was not ready within `timeout` seconds.
        """
        process = self._running_process()
        ready = process.wait_ready(timeout)
        if ready is None:
            exit_code = process.exit_code
            raise EngineDiedError(f"engine not ready, exit code {exit_code}", exit_code=exit_code)
        return ready

    def submit_training(self, spec: protocol.TrainingSpec, work_id: str) -> Work:
        return self._submit("train", work_id, protocol.training_body(spec))

    def submit_generation(self, spec: protocol.GenerationSpec, work_id: str) -> Work:
        return self._submit("generate", work_id, protocol.generation_body(spec))

    def load(self, base_model: protocol.BaseModelRef, work_id: str = "") -> Work:
        """Make a base model resident, so that the first job or chat does not wait for it."""
        return self._submit(
            "load",
            work_id or f"load-{base_model.digest[:16]}-{time.monotonic_ns()}",
            {"base_model": asdict(base_model)},
        )

    def measure(self, base_model: protocol.BaseModelRef) -> Work:
        """Time a few passes of a base model; ends as `cancelled` as soon as the engine gets other work."""
        return self._submit(
            "measure",
            f"measure-{base_model.digest[:16]}-{time.monotonic_ns()}",
            {"base_model": asdict(base_model)},
        )

    def cancel(self, work_id: str) -> None:
        self.signal("cancel", work_id)

    def signal(self, kind: protocol.Signal, work_id: str) -> None:
        """Tell the engine something about work under way; a process that has ended hears nothing."""
        process = self._process
        if process is not None:
            process.send(protocol.Request(type=kind, work_id=work_id))

    @property
    def is_alive(self) -> bool:
        process = self._process
        return process is not None and process.is_alive

    @property
    def ready(self) -> Event | None:
        """The `ready` event of the running process: its device, dtype and versions; None before it."""
        process = self._process
        return process.ready if process is not None and process.is_alive else None

    @property
    def pid(self) -> int | None:
        process = self._process
        return process.pid if process is not None and process.is_alive else None

    def close(self, timeout: float = 5.0) -> None:
        """End the process within `timeout` seconds; it is killed when it does not end by itself."""
        with self._lock:
            self._is_closed = True
            process = self._process
        if process is not None:
            process.close(timeout)

    def _submit(self, kind: Any, work_id: str, body: dict[str, Any]) -> Work:
        work = Work(work_id, self)
        request = protocol.Request(type=kind, work_id=work_id, body=body)
        while not self._running_process().submit(request, work):
            # The process ended between the look and the hand-over; the next round starts a fresh one.
            logger.info("work=%s engine ended before it took the work", work_id)
        return work

    def _running_process(self) -> EngineProcess:
        with self._lock:
            if self._is_closed:
                raise EngineDiedError("the engine client is closed")
            if self._process is None or not self._process.is_alive:
                source = os.environ if self._environment is None else self._environment
                self._process = EngineProcess(
                    [sys.executable, "-P", "-m", "engine.server"],
                    engine_environment(source),
                    self._log_path,
                )
            return self._process
