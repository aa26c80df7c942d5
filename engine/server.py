"""The engine process: `python -m engine.server`. Requests on stdin, events on stdout, everything else on stderr.

Reading happens in a thread of its own, so that a cancel is heard inside a long operation and the end of stdin ends the
process at once. The loop runs in the main thread.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import protocol

if TYPE_CHECKING:
    from engine.loop import EngineLoop
    from engine.models.devices import Device

logger = logging.getLogger(__name__)

OOM_SCORE = 800
"""The kernel ends this process before the worker, Redis or the database when memory runs out (proc(5))."""

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_READ_BYTES = 1 << 16
_REQUEST_TYPES = ("train", "generate", "load", "measure", "cancel", "stop", "suspend", "shutdown")
_LIBRARY_SETTINGS = {
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
}


class EventWriter:
    """Writes events as JSON lines to the real stdout; safe from several threads."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._lock = threading.Lock()

    def __call__(self, event: dict[str, Any]) -> None:
        line = memoryview(json.dumps(event, ensure_ascii=True).encode() + b"\n")
        with self._lock:
            try:
                while line:
                    line = line[os.write(self._handle, line) :]
            except BrokenPipeError:
                os._exit(0)  # nobody listens any more


class RequestReader:
    """Reads stdin until its end, gives every good line to the loop and answers every bad one."""

    def __init__(self, handle: int, write: EventWriter) -> None:
        self._handle = handle
        self._write = write
        self._early: list[protocol.Request] = []
        self._lock = threading.Lock()
        self._loop: EngineLoop | None = None

    def start(self) -> None:
        threading.Thread(target=self._read, name="requests", daemon=True).start()

    def attach(self, loop: EngineLoop) -> None:
        """Hand over to the loop, first what came in while the libraries were loading."""
        with self._lock:
            self._loop = loop
            for request in self._early:
                loop.submit(request)

    def _read(self) -> None:
        for line in lines_of(self._handle):
            request = None if line is None else read_request(line)
            if request is None:
                self._refuse(line)
            elif request.type == "shutdown":
                break
            else:
                with self._lock:
                    if self._loop is None:
                        self._early.append(request)
                    else:
                        self._loop.submit(request)
        self._end()

    def _refuse(self, line: bytes | None) -> None:
        reason = "too_long" if line is None else "unreadable"
        logger.warning("refused a request line: %s", reason)
        self._write(
            {
                "type": "failed",
                "work_id": "" if line is None else _work_id_of(line),
                "code": "internal",
                "params": {"reason": reason},
                "detail": f"request line {reason}",
            }
        )

    def _end(self) -> None:
        with self._lock:
            loop = self._loop
        if loop is None:
            os._exit(0)  # still importing: nothing to clean up
        loop.stop()


def lines_of(handle: int) -> Iterator[bytes | None]:
    """Lines of a file descriptor without their end; None for one longer than MAX_LINE_BYTES."""
    buffer = bytearray()
    is_overlong = False
    while chunk := os.read(handle, _READ_BYTES):
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            buffer += end
            if is_overlong or len(buffer) > protocol.MAX_LINE_BYTES:
                yield None
            elif buffer.strip():
                yield bytes(buffer)
            buffer.clear()
            is_overlong = False
        buffer += rest
        if len(buffer) > protocol.MAX_LINE_BYTES:
            is_overlong = True
            buffer.clear()


def read_request(line: bytes) -> protocol.Request | None:
    """A line as a Request, or None when it is not one."""
    try:
        value = json.loads(line)
        request = protocol.Request(**value)
    except (ValueError, TypeError, RecursionError):
        return None
    is_typed = isinstance(request.work_id, str) and isinstance(request.body, dict)
    return request if is_typed and request.type in _REQUEST_TYPES else None


def _work_id_of(line: bytes) -> str:
    """The work id of a bad request, so that its client is not left waiting."""
    with contextlib.suppress(ValueError, TypeError, RecursionError, AttributeError):
        work_id = json.loads(line).get("work_id", "")
        return work_id if isinstance(work_id, str) else ""
    return ""


def main() -> None:
    """Run the engine until stdin ends, a shutdown request or SIGTERM."""
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    write = EventWriter(_take_stdout())
    _bind_to_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, which then ends us
    signal.signal(signal.SIGTERM, lambda number, frame: os._exit(0))  # nothing to clean up yet
    os.environ.update(_LIBRARY_SETTINGS)
    reader = RequestReader(sys.stdin.fileno(), write)
    reader.start()
    device = _choose_device(write)

    # Imported after `ready`: together they take longer than torch itself.
    from engine.loop import EngineLoop
    from engine.models.loading import ModelHost

    # The client starts every engine of a host in the same folder.
    host = ModelHost(device, memory=Path("engine-products.json").resolve())
    loop = EngineLoop(host, write, llama_cpp=_cache_folder() / "llama-cpp")
    signal.signal(signal.SIGTERM, lambda number, frame: loop.stop())
    reader.attach(loop)
    loop.run()
    logging.shutdown()
    os._exit(0)  # threads of the libraries would delay a plain exit


def _cache_folder() -> Path:
    """Beside the folder of its log where a home has one for what may be deleted at any time, else that folder."""
    cache = Path("../cache").resolve()
    return cache if cache.is_dir() else Path.cwd()


def _choose_device(write: EventWriter) -> Device:
    import torch

    from engine.models.devices import choose_device, set_threads

    set_threads()
    device = choose_device()
    write(
        {
            "type": "ready",
            "pid": os.getpid(),
            "device": device.kind,
            "dtype": device.dtype_name,
            "device_name": device.name,
            "torch_version": torch.__version__,
        }
    )
    return device


def _take_stdout() -> int:
    """Keep the real stdout for events and let everything that libraries print go to stderr."""
    sys.stdout.flush()
    handle = os.dup(1)
    os.dup2(2, 1)
    return handle


def _bind_to_parent() -> None:
    """Die with the parent and before it when memory runs out; Linux only, elsewhere the end of stdin does it."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE), encoding="ascii")


if __name__ == "__main__":
    main()
