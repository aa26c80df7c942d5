"""The command lines of the web server and the worker, and how each shows that it does its work."""

from __future__ import annotations

import http.client
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from llmlora_site.cli.child import Child
from llmlora_site.cli.language import _
from llmlora_site.home import Home

if TYPE_CHECKING:
    from modelhub.models import Worker

WILDCARD_HOSTS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - read, not bound
# A message of a chat is far smaller; larger frames end the connection before they fill the memory.
WEBSOCKET_MESSAGE_BYTES = 65_536
# A page left open over a weekend reconnects by itself; the limit only ends abandoned sockets.
WEBSOCKET_SECONDS = 86_400
PROBE_SECONDS = 3
# A class that opens its pages in the same second waits for the database; the default of 5 s drops some of it.
HANDSHAKE_SECONDS = 20


def local_url(host: str, port: int) -> str:
    """The address at which this machine reaches a server bound to host and port."""
    name = WILDCARD_HOSTS.get(host, host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def web_command(host: str, port: int) -> list[str]:
    return [
        *(sys.executable, "-m", "llmlora_site.web_server"),
        *("--bind", host),
        *("--port", str(port)),
        # Also keeps the access log off: addresses of pages say who did what.
        *("--verbosity", "0"),
        *("--websocket_timeout", str(WEBSOCKET_SECONDS)),
        *("--websocket_connect_timeout", str(HANDSHAKE_SECONDS)),
        *("--websocket-max-message-size", str(WEBSOCKET_MESSAGE_BYTES)),
        *("--websocket-max-frame-size", str(WEBSOCKET_MESSAGE_BYTES)),
        "--no-server-name",
        "llmlora_site.asgi:application",
    ]


def worker_command(node: str) -> list[str]:
    # Workers find each other through the database; Celery's own chatter only delays the start.
    quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat")
    app = ("-A", "llmlora_site.celery")
    return [
        sys.executable,
        "-m",
        "celery",
        *app,
        "worker",
        "--pool",
        "threads",
        "--hostname",
        node,
        *quiet,
    ]


def web_child(home: Home, host: str, port: int) -> Child:
    return Child(
        "web",
        _("Web server"),
        web_command(host, port),
        run_dir=home.run,
        log=home.logs / "web.log",
        is_healthy=lambda child: answers_healthy(host, port),
        environment=child_environment(),
    )


def worker_child(home: Home, *, log: Path | None, node: str = "") -> Child:
    name = "worker" if log else f"worker-{os.getpid()}"
    return Child(
        name,
        _("Worker"),
        worker_command(node or f"{name}@%h"),
        run_dir=home.run,
        log=log,
        is_healthy=lambda child: worker_row(child.pid) is not None,
        environment=child_environment(),
    )


def child_environment() -> dict[str, str]:
    """This environment without what only the first start may read."""
    environment = dict(os.environ)
    environment.pop("LLMLORA_ADMIN_PASSWORD", None)
    environment["PYTHONUNBUFFERED"] = "1"
    return environment


def answers_healthy(host: str, port: int) -> bool:
    from django.conf import settings

    # No proxy of the environment may stand between this machine and itself: hence not urllib.
    connection = http.client.HTTPConnection(
        WILDCARD_HOSTS.get(host, host), port, timeout=PROBE_SECONDS
    )
    allowed = (settings.ALLOWED_HOSTS or ["localhost"])[0].removeprefix(".")
    try:
        connection.request("GET", "/api/health", headers={"Host": allowed})
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def worker_row(pid: int) -> Worker | None:
    """The row of this host's worker with that process id, once it takes work."""
    from django.db import DatabaseError

    from modelhub.selectors import workers

    try:
        host = socket.gethostname()
        return next(
            (row for row in workers() if (row.pid, row.host) == (pid, host) and row.is_at_work),
            None,
        )
    except DatabaseError:
        return None
