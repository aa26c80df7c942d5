"""docker-compose.yml without Docker: the same commands and environment on a private PostgreSQL and Redis."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from django.conf import settings

from conftest import create_home
from llmlora_site.cli.redis_server import PrivateRedis
from llmlora_site.home import Home
from tests.e2e.product import ROOT, free_port
from tests.postgres import NoPostgresqlError, running_postgresql

pytestmark = pytest.mark.slow

HEALTHY_SECONDS = 240
APP_SERVICES = ("web", "worker")
PASSWORD = "llmlora"


def compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def database_url() -> Iterator[str]:
    """A fresh PostgreSQL cluster with the user and database that the compose file names."""
    try:
        with running_postgresql() as url:
            yield url
    except NoPostgresqlError as reason:
        pytest.skip(str(reason))


def environment_of(service: dict[str, Any], replacements: dict[str, str]) -> dict[str, str]:
    """A service's environment as Docker would make it, with the addresses of this machine."""
    environment = {
        name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ
    }
    for name, value in service["environment"].items():
        text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", str(value))
        for theirs, ours in replacements.items():
            text = text.replace(theirs, ours)
        environment[name] = text
    return environment


def health_status(port: int) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/health", timeout=10) as answer:
            assert json.load(answer)["status"] == "ok"
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


class Stack:
    """Services of the compose file as processes of this machine, on one home, Redis and database."""

    def __init__(self, database_url: str, home: Home, logs: Path) -> None:
        self.port = free_port()
        self._services = compose()["services"]
        self._redis = PrivateRedis(home)
        self._logs = logs
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._replacements = {
            "postgres://llmlora:llmlora@postgres:5432/llmlora": database_url,
            "redis://redis:6379/0": f"unix://{home.redis_socket}",
            "0.0.0.0": "127.0.0.1",
            "/data": str(home.root),
            "8000": str(self.port),
        }

    def __enter__(self) -> Stack:
        self._redis.start()
        self._redis.wait_until_healthy(timeout_seconds=10)
        return self

    def __exit__(self, *failure: object) -> None:
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            process.wait(timeout=90)
        self._redis.stop()

    def environment(self, name: str, **changes: str) -> dict[str, str]:
        return environment_of(self._services[name], self._replacements) | changes

    def start(self, name: str, **changes: str) -> None:
        with (self._logs / f"{name}.log").open("wb") as log:
            self._running[name] = subprocess.Popen(
                on_this_machine(self._services[name]["command"]),
                env=self.environment(name, **changes),
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )

    def run(
        self, name: str, command: list[str], **changes: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            on_this_machine(command),
            env=self.environment(name, **changes),
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=HEALTHY_SECONDS,
        )

    def wait_for_health(self, *statuses: int) -> None:
        deadline = time.monotonic() + HEALTHY_SECONDS
        while health_status(self.port) not in statuses:
            ended = [name for name, process in self._running.items() if process.poll() is not None]
            if ended or time.monotonic() > deadline:
                logs = "\n".join(path.read_text() for path in self._logs.glob("*.log"))
                raise AssertionError(f"ended: {ended}\n{logs}")
            time.sleep(0.5)


def test_web_and_worker_become_healthy_with_their_compose_commands(
    database_url: str, tmp_path: Path, new_home: Home
) -> None:
    services = compose()["services"]
    with Stack(database_url, new_home, tmp_path) as stack:
        # The worker first: it has to wait for the tables that the web server makes.
        for name in reversed(APP_SERVICES):
            stack.start(name)
        stack.wait_for_health(200)
        for name in APP_SERVICES:
            check = services[name]["healthcheck"]["test"]
            assert check[0] == "CMD"
            answer = stack.run(name, check[1:])
            assert answer.returncode == 0, answer.stderr


def test_a_worker_of_another_host_needs_the_same_storage_and_version(
    database_url: str, tmp_path: Path, new_home: Home
) -> None:
    """The other host is a second home: nothing but database, Redis and the folder of files is shared."""
    other = create_home(tmp_path / "other-host")
    shared = {
        "LLMLORA_HOME": str(other.root),
        "LLMLORA_MEDIA": str(new_home.media),
        "LLMLORA_WORKER_NAME": "other-host",
    }
    command = ["llmlora", "worker"]
    with Stack(database_url, new_home, tmp_path) as stack:
        stack.start("web")
        stack.wait_for_health(503)

        refused = stack.run("worker", command, **shared | {"LLMLORA_MEDIA": str(other.media)})
        assert refused.returncode == 1
        assert "sees another storage than the web server" in refused.stderr
        assert str(other.media) in refused.stderr

        set_version(database_url, "9.9.9")
        refused = stack.run("worker", command, **shared)
        assert refused.returncode == 1
        assert "the web server is llmlora 9.9.9" in refused.stderr
        assert worker_row(database_url) == ("refused", "other_version")

        set_version(database_url, settings.VERSION)
        stack.start("worker", **shared)
        stack.wait_for_health(200)
        assert worker_row(database_url) == ("ready", "")


def set_version(database_url: str, version: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE modelhub_installation SET version = %s", [version])


def worker_row(database_url: str) -> tuple[str, ...]:
    with psycopg.connect(database_url) as connection:
        row = connection.execute(
            "SELECT state, refusal_code FROM modelhub_worker WHERE name = 'other-host'"
        ).fetchone()
    assert row is not None
    return row


def on_this_machine(command: list[str]) -> list[str]:
    """The image has `llmlora` on its path; here it lies beside the interpreter."""
    assert command[0] == "llmlora"
    return [str(Path(sys.executable).with_name("llmlora")), *command[1:]]


def test_every_long_running_service_has_a_health_check() -> None:
    missing = [
        name for name, service in compose()["services"].items() if "healthcheck" not in service
    ]
    assert missing == []


def test_image_runs_as_a_user_without_rights() -> None:
    instructions = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    users = [line.split()[1] for line in instructions if line.startswith("USER ")]
    assert users[-1:] == ["llmlora"]
