"""docker-compose.yml without Docker: the same commands and environment on a private PostgreSQL and Redis."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from llmlora_site.cli.redis_server import PrivateRedis
from llmlora_site.home import Home
from tests.e2e.product import ROOT, free_port

pytestmark = pytest.mark.slow

HEALTHY_SECONDS = 240
APP_SERVICES = ("web", "worker")
PASSWORD = "llmlora"


def compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))


def postgres_program(name: str) -> Path | None:
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = shutil.which(
        name, path=os.pathsep.join([*map(str, folders), os.environ.get("PATH", "")])
    )
    return Path(found).resolve() if found else None


def unprivileged() -> dict[str, Any]:
    """PostgreSQL refuses to run as root."""
    if os.getuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    pytest.skip("PostgreSQL can not run as root, and there is no other user")


@pytest.fixture(scope="module")
def database_url() -> Iterator[str]:
    """A fresh PostgreSQL cluster with the user and database that the compose file names."""
    initdb, server = postgres_program("initdb"), postgres_program("postgres")
    if initdb is None or server is None:
        pytest.skip("PostgreSQL is not installed on this machine")
    user = unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="llmlora-pg-"))
    port = free_port()
    try:
        password = folder / "password"
        password.write_text(PASSWORD)
        if user:
            for path in (folder, password):
                os.chown(path, user["user"], user["group"])
        data = folder / "data"
        arguments = ["--username", "llmlora", "--pwfile", str(password), "--auth", "scram-sha-256"]
        subprocess.run(
            [initdb, "--pgdata", data, *arguments, "--encoding", "UTF8", "--no-sync"],
            check=True,
            capture_output=True,
            cwd=folder,
            **user,
        )
        options = ["-h", "127.0.0.1", "-p", str(port), "-k", str(folder), "-F"]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [server, "-D", data, *options], stdout=log, stderr=log, cwd=folder, **user
            )
        try:
            make_database(port)
            yield f"postgres://llmlora:{PASSWORD}@127.0.0.1:{port}/llmlora"
        finally:
            process.terminate()
            process.wait(timeout=20)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def make_database(port: int) -> None:
    import psycopg

    deadline = time.monotonic() + 30
    address = f"host=127.0.0.1 port={port} user=llmlora password={PASSWORD} dbname=postgres"
    while True:
        try:
            with psycopg.connect(address, autocommit=True) as connection:
                connection.execute("CREATE DATABASE llmlora")
                return
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


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


def test_web_and_worker_become_healthy_with_their_compose_commands(
    database_url: str, tmp_path: Path, new_home: Home
) -> None:
    services = compose()["services"]
    redis = PrivateRedis(new_home)
    port = free_port()
    replacements = {
        "postgres://llmlora:llmlora@postgres:5432/llmlora": database_url,
        "redis://redis:6379/0": f"unix://{new_home.redis_socket}",
        "0.0.0.0": "127.0.0.1",
        "/data": str(new_home.root),
        "8000": str(port),
    }
    running: dict[str, subprocess.Popen[bytes]] = {}
    logs = {name: tmp_path / f"{name}.log" for name in APP_SERVICES}
    redis.start()
    try:
        redis.wait_until_healthy(timeout_seconds=10)
        # The worker first: it has to wait for the tables that the web server makes.
        for name in reversed(APP_SERVICES):
            with logs[name].open("wb") as log:
                running[name] = subprocess.Popen(
                    on_this_machine(services[name]["command"]),
                    env=environment_of(services[name], replacements),
                    cwd=ROOT,
                    stdout=log,
                    stderr=log,
                )
        deadline = time.monotonic() + HEALTHY_SECONDS
        while health_status(port) != 200:
            ended = [name for name, process in running.items() if process.poll() is not None]
            if ended or time.monotonic() > deadline:
                report = "\n".join(f"{name}: {path.read_text()}" for name, path in logs.items())
                raise AssertionError(f"ended: {ended}\n{report}")
            time.sleep(0.5)
        for name in APP_SERVICES:
            check = services[name]["healthcheck"]["test"]
            assert check[0] == "CMD"
            answer = subprocess.run(
                on_this_machine(check[1:]),
                env=environment_of(services[name], replacements),
                cwd=ROOT,
                capture_output=True,
                text=True,
                check=False,
            )
            assert answer.returncode == 0, answer.stderr
    finally:
        for process in running.values():
            process.terminate()
        for process in running.values():
            process.wait(timeout=90)
        redis.stop()


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
