"""A private PostgreSQL without Docker, for tests and fault runs."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.e2e.product import free_port

PASSWORD = "llmlora"


class NoPostgresqlError(Exception):
    """This machine can not run a server of its own."""


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
    raise NoPostgresqlError("PostgreSQL can not run as root, and there is no other user")


@contextlib.contextmanager
def running_postgresql() -> Iterator[str]:
    """The address of a database named llmlora, of a user of the same name, in a fresh cluster.

    Raises:
        NoPostgresqlError: this machine can not run one.
    """
    initdb, server = postgres_program("initdb"), postgres_program("postgres")
    if initdb is None or server is None:
        raise NoPostgresqlError("PostgreSQL is not installed on this machine")
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
            # Fast shutdown: a client that is still connected does not keep the server.
            process.send_signal(signal.SIGINT)
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
