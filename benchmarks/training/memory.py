"""Peak resident memory of this process, from a moment on where the system can forget an older peak."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import re
import resource
import sys
from pathlib import Path

_FORGET_PEAK = "5"  # proc_pid_clear_refs(5)


def forget_peak(*, is_trimmed: bool) -> None:
    """Start anew; only Linux can.

    Args:
        is_trimmed: whether the allocator first gives back what it keeps; the next run then pays for getting it again.
    """
    if is_trimmed:
        gc.collect()
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text(_FORGET_PEAK, encoding="ascii")


def peak_bytes() -> int:
    """The peak since forget_peak, or of the whole process."""
    with contextlib.suppress(OSError):
        found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text("ascii"))
        if found:
            return int(found[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
