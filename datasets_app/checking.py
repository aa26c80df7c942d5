"""Reads an uploaded file: a small plain one at once, everything else in a process of its own with limits."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import cast

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from common.errors import DomainError
from datasets_app.intake.child import OUT_OF_MEMORY, order_as_dict
from datasets_app.intake.decoding import PARQUET
from datasets_app.intake.limits import Limits
from datasets_app.intake.outcome import Outcome
from datasets_app.intake.pipeline import Order, no_progress, read_file

IN_PLACE_BYTES = 256 * 1024
"""Text of this size is read in a few hundredths of a second, sooner than a process starts."""

IN_PLACE_PIECES = 10_000
"""Lines, objects and cells of such a text; a hundred thousand tiny records would hold up everybody for seconds."""

REQUEST_SECONDS = 20
WORKER_SECONDS = 1800
MEMORY_BYTES = 256 * 1024 * 1024
_DISK_FACTOR = 2
_FRUGAL = {"ARROW_DEFAULT_MEMORY_POOL": "system", "OPENBLAS_NUM_THREADS": "1"}
"""Reserved memory counts like used memory: Arrow's own pool takes a gigabyte, each thread of BLAS forty megabytes."""
_GZIP = b"\x1f\x8b"


class CheckFailedError(DomainError):
    """The process that read the file was ended."""

    code = "check_failed"
    status = 422


FAILURES = {
    "time": _(
        "Reading the file took longer than is allowed, so nothing was saved. Split it into several files."
    ),
    "memory": _(
        "Reading the file took more memory than is allowed, so nothing was saved. "
        "Save it as JSONL, one record on each line, and upload that."
    ),
    "crash": _(
        "The file made its reader fail, so nothing was saved. "
        "Save it as JSONL, one record on each line, and upload that."
    ),
}


def limits(budget_bytes: int | None = None) -> Limits:
    """The limits of this installation."""
    return Limits(
        unpacked_bytes=settings.MAX_UPLOAD_BYTES,
        records=settings.MAX_EXAMPLES,
        budget_bytes=budget_bytes,
    )


def check_file(
    path: Path,
    draft: Path,
    order: Order,
    *,
    seconds: int = REQUEST_SECONDS,
    on_progress: Callable[[int, int], None] = no_progress,
) -> Outcome:
    """Read a file and write its good records to draft as JSON lines.

    Args:
        seconds: of processor time, and twice as much on the clock.
        on_progress: is called with the bytes and rows read so far; what it raises ends the reading.

    Raises:
        CheckFailedError: it took more time or memory than is allowed.
    """
    if _is_small_text(path):
        with draft.open("wb") as sink:
            return read_file(path, sink, order)
    return _check_in_child(path, draft, order, seconds, on_progress)


def _is_small_text(path: Path) -> bool:
    if path.stat().st_size > IN_PLACE_BYTES:
        return False
    content = path.read_bytes()
    pieces = sum(content.count(mark) for mark in (b"\n", b"{", b","))
    return pieces <= IN_PLACE_PIECES and not content.startswith((PARQUET, _GZIP))


def _check_in_child(
    path: Path,
    draft: Path,
    order: Order,
    seconds: int,
    on_progress: Callable[[int, int], None],
) -> Outcome:
    order_file, outcome_file = draft.with_name("order.json"), draft.with_name("outcome.json")
    task = {
        "path": str(path),
        "draft": str(draft),
        "outcome": str(outcome_file),
        "order": order_as_dict(order),
        "cpu_seconds": seconds,
        "memory_bytes": MEMORY_BYTES,
        "disk_bytes": _DISK_FACTOR * order.limits.unpacked_bytes,
    }
    order_file.write_text(json.dumps(task), encoding="utf-8")
    command = [sys.executable, "-P", "-m", "datasets_app.intake.child", str(order_file)]
    # The file is a stranger's: its reader gets neither passwords nor addresses.
    environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8"} | _FRUGAL
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
        cwd=settings.BASE_DIR,
    ) as child:
        alarm = threading.Timer(2 * seconds, child.kill)
        alarm.start()
        try:
            _follow(child, on_progress)
        finally:
            alarm.cancel()
            child.kill()
    if child.returncode:
        raise _failure(child.returncode)
    return Outcome.from_dict(json.loads(outcome_file.read_text(encoding="utf-8")))


def _follow(child: subprocess.Popen[str], on_progress: Callable[[int, int], None]) -> None:
    for line in cast("list[str]", child.stdout):
        packed_bytes, rows = map(int, line.split())
        on_progress(packed_bytes, rows)
    child.wait()


def _failure(status: int) -> CheckFailedError:
    if status == OUT_OF_MEMORY:
        reason = "memory"
    elif status in (-signal.SIGXCPU, -signal.SIGKILL):
        reason = "time"
    else:
        reason = "crash"
    return CheckFailedError(FAILURES[reason], reason=reason)
