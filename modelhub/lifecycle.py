"""What a worker writes about itself."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field
from typing import Any

import psutil
from django.conf import settings
from django.db.models import F
from django.db.models.functions import Now

from modelhub.models import Worker
from modelhub.selectors import workers

_name = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a worker may take no work; code and params make the sentence."""

    code: str
    params: dict[str, Any] = field(default_factory=dict)


def worker_name() -> str:
    """The name of the worker that runs in this process, taken at the first call."""
    global _name
    if not _name:
        _name = choose_worker_name()
    return _name


def choose_worker_name() -> str:
    """Take the host's name, or the first numbered one that no living worker bears."""
    while True:
        # Taking it fails where another worker was quicker, and bears it now.
        if _take_name(name := free_worker_name()):
            return name


def free_worker_name() -> str:
    """The name that a worker would take if it started here now."""
    base = os.environ.get("LLMLORA_WORKER_NAME") or socket.gethostname()
    taken = {row.name for row in workers() if _is_taken(row)}
    number = 1
    while (name := base if number == 1 else f"{base}-{number}") in taken:
        number += 1
    return name


def _is_taken(row: Worker) -> bool:
    """Whether another living worker bears the row's name.

    A process id says something on its own host only. There it is better than the heartbeat: a worker that was
    killed takes its name and its work back at once.
    """
    if not row.pid:
        return False
    if row.host and row.host != socket.gethostname():
        return row.state != Worker.State.DOWN
    return row.pid != os.getpid() and _is_worker_process(row.pid)


def _is_worker_process(pid: int) -> bool:
    try:
        return "celery" in " ".join(psutil.Process(pid).cmdline())
    except psutil.Error:
        return False


def _take_name(name: str) -> bool:
    fields = {
        "state": Worker.State.STARTING,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "engine_pid": None,
        "version": settings.VERSION,
        "detail": "",
        "memory_bytes": psutil.virtual_memory().total,
        "started_at": Now(),
        "heartbeat_at": Now(),
    }
    row = next((row for row in workers() if row.name == name), None)
    if row is None:
        _row, is_new = Worker.objects.get_or_create(name=name, defaults=fields)
        return is_new
    # Two workers that start at once both see the name free; only one of them finds the row as it read it.
    as_read = Worker.objects.filter(
        pk=row.pk, host=row.host, pid=row.pid, heartbeat_count=row.heartbeat_count
    )
    fields["heartbeat_count"] = F("heartbeat_count") + 1
    return not _is_taken(row) and bool(as_read.update(**fields))


def report_worker(name: str, state: Worker.State, *, detail: str = "", **device: object) -> None:
    """Write the state and heartbeat of a worker that fits; device facts stay as they were when not given."""
    _report(
        name,
        {
            "state": state,
            "detail": detail[:500],
            "refusal_code": "",
            "refusal_params": {},
            **device,
        },
    )


def refuse_worker(name: str, refusal: Refusal) -> None:
    """Write that the worker does not fit, and its heartbeat."""
    _report(
        name,
        {
            "state": Worker.State.REFUSED,
            "detail": "",
            "refusal_code": refusal.code,
            "refusal_params": refusal.params,
        },
    )


def note_clock_skew(name: str, seconds: float) -> None:
    Worker.objects.filter(name=name).update(clock_skew_seconds=seconds)


def forget_worker(name: str) -> None:
    """The worker stops in good order."""
    Worker.objects.filter(name=name).update(
        state=Worker.State.DOWN, pid=0, engine_pid=None, heartbeat_at=Now()
    )


def _report(name: str, fields: dict[str, Any]) -> None:
    # The database's clock: workers of several hosts and the web server's pages compare these times.
    fields |= {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "version": settings.VERSION,
        "heartbeat_at": Now(),
    }
    row = Worker.objects.filter(name=name)
    if not row.update(heartbeat_count=F("heartbeat_count") + 1, **fields):
        Worker.objects.get_or_create(
            name=name, defaults=fields | {"heartbeat_count": 1, "started_at": Now()}
        )
