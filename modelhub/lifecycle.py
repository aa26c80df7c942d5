"""What a worker writes about itself."""

from __future__ import annotations

import os
import socket

import psutil
from django.conf import settings
from django.utils import timezone

from modelhub.models import Worker

_name = ""


def worker_name() -> str:
    """The name of the worker that runs in this process, chosen at the first call."""
    global _name
    if not _name:
        _name = choose_worker_name()
    return _name


def choose_worker_name() -> str:
    """The host's name, or the first numbered one whose process is not alive any more."""
    base = os.environ.get("LLMLORA_WORKER_NAME") or socket.gethostname()
    number = 1
    while True:
        name = base if number == 1 else f"{base}-{number}"
        row = Worker.objects.filter(name=name).first()
        if row is None or row.pid in (0, os.getpid()) or not _is_worker_process(row.pid):
            return name
        number += 1


def _is_worker_process(pid: int) -> bool:
    try:
        return "celery" in " ".join(psutil.Process(pid).cmdline())
    except psutil.Error:
        return False


def report_worker(name: str, state: Worker.State, *, detail: str = "", **device: object) -> None:
    """Write the worker's state and heartbeat; device facts stay as they were when not given."""
    Worker.objects.update_or_create(
        name=name,
        defaults={
            "state": state,
            "detail": detail[:500],
            "pid": os.getpid(),
            "version": settings.VERSION,
            "heartbeat_at": timezone.now(),
            **device,
        },
    )


def forget_worker(name: str) -> None:
    """The worker stops in good order."""
    Worker.objects.filter(name=name).update(state=Worker.State.DOWN, pid=0, engine_pid=None)
