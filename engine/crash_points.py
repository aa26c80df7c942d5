"""Places where a fault test may end processes, so that every recovery is tried at its worst moment. Torch-free.

A place does nothing unless the environment names a folder in which the test puts a file of the place's name: its first
line says whom to kill. Renaming the file away claims it, so that one file is one kill, however many processes pass.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

VARIABLE = "LLMLORA_CRASH_POINTS"
"""Names the folder; never set outside of tests."""


def hit(place: str) -> None:
    """Kill the processes that the test named for this place, if it named any."""
    folder = os.environ.get(VARIABLE)
    if folder:
        _kill_named(Path(folder), place)


def _kill_named(folder: Path, place: str) -> None:
    claimed = folder / f"{place}.hit-{os.getpid()}"
    try:
        (folder / place).rename(claimed)
    except OSError:
        return
    for name in claimed.read_text(encoding="ascii").split():
        for pid in _pids_of(name):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _pids_of(name: str) -> list[int]:
    """`self`, `parent`, `children` (Linux), or a process's number."""
    match name:
        case "self":
            return [os.getpid()]
        case "parent":
            return [os.getppid()]
        case "children":
            lists = Path("/proc/self/task").glob("*/children")
            return [int(pid) for path in lists for pid in path.read_text("ascii").split()]
    return [int(name)]
