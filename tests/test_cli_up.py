"""`llmlora up` with real processes: starts, refuses, revives, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.e2e.product import ROOT, Product

STOP_SECONDS = 10
# The base model has tests of its own; without it a start takes seconds.
ENVIRONMENT = {"LLMLORA_SKIP_BUNDLED": "1"}


def run_cli(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "llmlora_site.cli", *arguments],
        cwd=ROOT,
        env=os.environ
        | {"LLMLORA_LANGUAGE": "en", "LLMLORA_NO_BROWSER": "1"}
        | ENVIRONMENT
        | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def health(product: Product) -> dict[str, Any]:
    with urllib.request.urlopen(f"{product.address}/api/health", timeout=10) as answer:
        return json.load(answer)


def family(product: Product) -> list[psutil.Process]:
    """Every process that `up` started, directly or not."""
    return psutil.Process(product.process.pid).children(recursive=True)


def child_pid(product: Product, name: str) -> int:
    return int(json.loads((product.home / "run" / f"{name}.pid").read_text())["pid"])


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    running = Product(tmp_path_factory.mktemp("up") / "home", **ENVIRONMENT)
    try:
        running.wait_ready()
        yield running
    finally:
        if running.process.poll() is None:
            running.stop()


def test_up_is_healthy_when_it_says_so(product: Product) -> None:
    found = health(product)
    assert found["status"] == "ok"
    assert [worker["state"] for worker in found["workers"]] == ["ready"]


def test_data_folder_is_for_its_owner_only(product: Product) -> None:
    assert product.home.stat().st_mode & 0o077 == 0
    assert (product.home / "db.sqlite3").stat().st_mode & 0o077 == 0


def test_second_instance_is_refused_with_the_address_of_the_first(product: Product) -> None:
    refused = run_cli("up", "--home", str(product.home), "--port", "1024")
    assert refused.returncode == 1
    assert "already running" in refused.stderr
    assert str(product.process.pid) in refused.stderr
    assert product.address in refused.stderr.replace("\n", "")
    assert "Traceback" not in refused.stderr


def test_second_worker_joins_and_leaves(product: Product) -> None:
    command = [sys.executable, "-m", "llmlora_site.cli", "worker", "--home", str(product.home)]
    environment = (
        os.environ | {"LLMLORA_LANGUAGE": "en", "LLMLORA_WORKER_NAME": "second"} | ENVIRONMENT
    )
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as worker:
        assert worker.stdout is not None
        line = next(line for line in worker.stdout if "is ready on" in line)
        assert "“second”" in line
        states = {found["name"]: found["state"] for found in health(product)["workers"]}
        assert states["second"] == "ready"
        worker.terminate()
        worker.stdout.read()
        assert worker.wait(timeout=30) == 0
    states = {found["name"]: found["state"] for found in health(product)["workers"]}
    assert states["second"] == "down"


@pytest.mark.parametrize("name", ["redis", "web", "worker"])
def test_killed_child_is_started_again(product: Product, name: str) -> None:
    before = child_pid(product, name)
    os.kill(before, signal.SIGKILL)
    product.wait_for("is started again")

    def is_whole_again() -> bool:
        try:
            is_new = child_pid(product, name) != before
            # Redis, worker, engine and web server: a dead worker's row looks ready for a while.
            return is_new and len(family(product)) >= 4 and health(product)["status"] == "ok"
        except (OSError, ValueError, KeyError):
            return False

    assert wait_until(is_whole_again, 60)


def test_sigterm_leaves_no_process_within_ten_seconds(product: Product) -> None:
    processes = family(product)
    assert len(processes) >= 4
    started = time.monotonic()
    product.process.send_signal(signal.SIGTERM)
    assert product.process.wait(timeout=20) == 0
    assert time.monotonic() - started < STOP_SECONDS
    assert not [process for process in processes if process.is_running()]


def test_children_end_when_up_is_killed(tmp_path: Path) -> None:
    product = Product(tmp_path / "home", **ENVIRONMENT)
    try:
        product.wait_ready()
        processes = family(product)
    finally:
        product.process.kill()
        product.process.wait()
    _gone, alive = psutil.wait_procs(processes, timeout=STOP_SECONDS)
    for process in alive:
        process.kill()
    # Elsewhere than on Linux the next start ends them, through their pid files.
    assert not alive or sys.platform != "linux"


def test_taken_port_is_told_with_the_option(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = run_cli("up", "--home", str(tmp_path / "home"), "--port", str(port))
    assert refused.returncode == 1
    assert f"Port {port} on 127.0.0.1 is taken" in refused.stderr
    assert "--port" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_data_folder_that_can_not_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused = run_cli("up", "--home", str(tmp_path / "file" / "home"))
    assert refused.returncode == 1
    assert "can not be written" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_unreachable_redis_and_database_are_told(tmp_path: Path) -> None:
    no_redis = run_cli("up", "--home", str(tmp_path / "a"), REDIS_URL="redis://127.0.0.1:1/0")
    assert no_redis.returncode == 1
    assert "REDIS_URL" in no_redis.stderr
    no_database = run_cli(
        "up", "--home", str(tmp_path / "b"), DATABASE_URL="postgres://u:p@127.0.0.1:1/none"
    )
    assert no_database.returncode == 1
    assert "The database can not be used" in no_database.stderr
    assert "Traceback" not in no_redis.stderr + no_database.stderr


def test_worker_without_a_running_system_is_refused(tmp_path: Path) -> None:
    refused = run_cli("worker", "--home", str(tmp_path / "home"))
    assert refused.returncode == 1
    assert "llmlora up" in refused.stderr
