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
        with contextlib.suppress(ProcessLookupError):
            os.kill(_pid_of(name), signal.SIGKILL)


def _pid_of(name: str) -> int:
    """`self`, `parent`, or a process's number."""
    own = {"self": os.getpid, "parent": os.getppid}
    return own[name]() if name in own else int(name)
