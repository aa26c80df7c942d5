"""Names of workers, and what they report of themselves."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from datetime import timedelta
from typing import Any

import psutil
import pytest
from django.utils import timezone

from modelhub.lifecycle import (
    Refusal,
    choose_worker_name,
    forget_worker,
    free_worker_name,
    refuse_worker,
    report_worker,
)
from modelhub.models import Worker
from modelhub.selectors import workers

pytestmark = pytest.mark.django_db
HERE = socket.gethostname()


@pytest.fixture(autouse=True)
def _named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMLORA_WORKER_NAME", "tower")


def make_row(*, host: str = HERE, pid: int = 0, silent_seconds: float = 1, **fields: Any) -> Worker:
    heartbeat_at = timezone.now() - timedelta(seconds=silent_seconds)
    values = {"name": "tower", "state": Worker.State.READY} | fields
    return Worker.objects.create(host=host, pid=pid, heartbeat_at=heartbeat_at, **values)


def dead_pid() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_the_first_worker_takes_the_plain_name() -> None:
    assert choose_worker_name() == "tower"
    row = Worker.objects.get()
    assert (row.state, row.host, row.pid) == ("starting", HERE, os.getpid())
    assert row.memory_bytes == psutil.virtual_memory().total
    assert row.started_at is not None


def test_a_worker_takes_its_name_again_and_again() -> None:
    """The row of its last life was written by the database's own clock, which SQLite writes in another form."""
    for _life in range(3):
        assert choose_worker_name() == "tower"
        forget_worker("tower")


def test_a_living_worker_of_this_host_keeps_its_name_however_silent() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", "input()", "celery"], stdin=subprocess.PIPE
    ) as process:
        make_row(pid=process.pid, silent_seconds=3600)
        assert free_worker_name() == "tower-2"
        process.communicate()


@pytest.mark.parametrize("host", [HERE, ""])
def test_a_dead_one_of_this_host_leaves_its_name_at_once(host: str) -> None:
    make_row(host=host, pid=dead_pid(), silent_seconds=0)
    assert choose_worker_name() == "tower"
    assert Worker.objects.get().host == HERE


def test_a_process_id_of_another_host_says_nothing_here() -> None:
    """The worker there lives although no process of ours bears that id; and is gone although one does."""
    row = make_row(host="another-host", pid=dead_pid())
    assert choose_worker_name() == "tower-2"
    Worker.objects.filter(name="tower-2").delete()
    Worker.objects.filter(pk=row.pk).update(
        pid=1, heartbeat_at=timezone.now() - timedelta(seconds=31)
    )
    assert choose_worker_name() == "tower"


def test_a_worker_that_stopped_in_good_order_leaves_its_name(monkeypatch: Any) -> None:
    make_row(host="another-host", pid=4711)
    forget_worker("tower")
    assert free_worker_name() == "tower"


def test_a_start_forgets_what_an_earlier_life_reported() -> None:
    make_row(pid=dead_pid(), engine_pid=5, detail="Unwell", device_name="CPU")
    choose_worker_name()
    row = Worker.objects.get()
    assert (row.engine_pid, row.detail, row.device_name) == (None, "", "CPU")


def test_each_report_is_a_heartbeat() -> None:
    for _report in range(3):
        report_worker("tower", Worker.State.READY, device="cpu", memory_bytes=5)
    row = Worker.objects.get()
    assert (row.heartbeat_count, row.device, row.memory_bytes) == (3, "cpu", 5)
    assert abs((row.heartbeat_at - timezone.now()).total_seconds()) < 5


def test_a_refusal_stands_until_the_next_report() -> None:
    report_worker("tower", Worker.State.READY, device="cpu")
    refuse_worker("tower", Refusal("other_version", {"own": "1", "wanted": "2"}))
    row = Worker.objects.get()
    assert (row.state, row.refusal_code, row.device) == ("refused", "other_version", "cpu")
    assert not row.is_at_work
    report_worker("tower", Worker.State.READY)
    row.refresh_from_db()
    assert (row.state, row.refusal_code, row.refusal_params) == ("ready", "", {})


def test_a_silent_worker_is_down_by_the_clock_of_the_database() -> None:
    make_row(silent_seconds=31)
    make_row(name="other", silent_seconds=25)
    assert {row.name: row.state for row in workers()} == {"tower": "down", "other": "ready"}
