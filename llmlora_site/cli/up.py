"""`llmlora up`: everything on this machine, from the checks to the last process gone."""

from __future__ import annotations

import os
import sys
import webbrowser
from dataclasses import dataclass

from llmlora_site.cli import children
from llmlora_site.cli.child import Child, rotate_log
from llmlora_site.cli.console import CommandFailure, StopRequested, say, say_facts, spinner
from llmlora_site.cli.instance import InstanceLock
from llmlora_site.cli.language import _
from llmlora_site.cli.preflight import check_port, open_home
from llmlora_site.cli.preparation import needs_bundled_model, prepare_data
from llmlora_site.cli.redis_server import can_ping, private_redis
from llmlora_site.cli.seed import seed_admin, sign_in_link
from llmlora_site.cli.supervisor import Supervisor, stop_signals
from llmlora_site.home import Home


@dataclass(frozen=True, slots=True)
class UpOptions:
    """Where it listens, and whether a browser is opened."""

    host: str
    port: int
    opens_browser: bool


def up(options: UpOptions) -> None:
    """Run until a stop is requested.

    Raises:
        CommandFailure: it could not start, or could not go on.
    """
    with stop_signals():
        try:
            _run(options)
        except StopRequested:
            say(_("llmlora has stopped."))


def _run(options: UpOptions) -> None:
    home = open_home(needs_model=needs_bundled_model(Home.from_environment()))
    lock = InstanceLock(home)
    lock.acquire(children.local_url(options.host, options.port))
    check_port(options.host, options.port)
    system = _make_supervisor(home, options)
    try:
        system.start_servers()
        prepare_data(home)
        seed_admin()
        with spinner(_("Starting the worker and the web server …")):
            system.start_programs()
            system.wait_healthy()
        _welcome(home, options)
        system.watch()
    except StopRequested:
        say(_("Stopping …"))
        raise
    finally:
        system.stop()


def _make_supervisor(home: Home, options: UpOptions) -> Supervisor:
    servers: list[Child] = []
    if url := os.environ.get("REDIS_URL"):
        if not can_ping(url):
            raise CommandFailure(
                _(
                    "Redis does not answer at the address in REDIS_URL. "
                    "Start it, correct the address, or unset REDIS_URL."
                )
            )
    else:
        servers.append(private_redis(home))
    programs = [
        children.worker_child(home, log=home.logs / "worker.log", node="up@%h"),
        children.web_child(home, options.host, options.port),
    ]
    for child in (*servers, *programs):
        assert child.log is not None
        rotate_log(child.log)
    rotate_log(home.logs / "engine.log")
    return Supervisor(servers, programs)


def _welcome(home: Home, options: UpOptions) -> None:
    from django.conf import settings
    from django.db import connection

    address = settings.PUBLIC_URL or children.local_url(options.host, options.port)
    link = sign_in_link(address)
    # This process only watches from here on; it needs no connection of its own.
    connection.close()
    facts = [(_("Address"), address)]
    if link:
        facts += [
            (_("Sign in"), link),
            ("", _("as the first instructor; the link works once, within the next hour")),
        ]
    facts += [(_("Data folder"), str(home.root)), (_("Logs"), str(home.logs))]
    if options.host in children.WILDCARD_HOSTS and not settings.PUBLIC_URL:
        facts.append(
            (
                "",
                _(
                    "To be reached by other machines, set LLMLORA_PUBLIC_URL to the address they use."
                ),
            )
        )
    say(_("llmlora is ready. Ctrl-C stops it."), style="bold green")
    say_facts(facts)
    if options.opens_browser and _has_display():
        webbrowser.open(link or address)


def _has_display() -> bool:
    if sys.platform == "darwin":
        return "SSH_CONNECTION" not in os.environ
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
