"""`llmlora worker`: one more worker, beside a running `up` or on another host."""

from __future__ import annotations

import os
import socket
import time

from llmlora_site.cli import children
from llmlora_site.cli.console import CommandFailure, StopRequested, say, spinner
from llmlora_site.cli.instance import InstanceLock
from llmlora_site.cli.language import _
from llmlora_site.cli.preflight import open_home
from llmlora_site.cli.preparation import (
    database_failure,
    has_unapplied_migrations,
    needs_bundled_model,
    prepare_bundled_model,
    set_up_django,
)
from llmlora_site.cli.supervisor import Supervisor, stop_signals
from llmlora_site.home import Home
from llmlora_site.messages import compile_catalogues

TABLES_SECONDS = 180
FIT_SECONDS = 10
# Running jobs write a checkpoint and go back to the queue; on a slow disk that takes a while.
STOP_SECONDS = 60


def worker() -> None:
    """Run a worker until a stop is requested.

    Raises:
        CommandFailure: it can not reach the system it belongs to.
    """
    with stop_signals():
        try:
            _run()
        except StopRequested:
            say(_("The worker has stopped."))


def _run() -> None:
    home = open_home(needs_model=needs_bundled_model(Home.from_environment()))
    check_shares_system(home)
    compile_catalogues()
    set_up_django()
    _wait_for_tables()
    check_fits()
    prepare_bundled_model(home)
    child = children.worker_child(home, log=None)
    system = Supervisor([], [child], stop_seconds=STOP_SECONDS)
    try:
        with spinner(_("Starting the worker …")):
            system.start_programs()
            system.wait_healthy()
        _tell_device(child.pid)
        system.watch()
    finally:
        system.stop()


def check_shares_system(home: Home) -> None:
    """
    Raises:
        CommandFailure: database or Redis of the running system can not be shared from here.
    """
    if os.environ.get("DATABASE_URL"):
        if not os.environ.get("REDIS_URL"):
            raise CommandFailure(
                _(
                    "DATABASE_URL is set, but REDIS_URL is not. A worker needs both of its web server."
                )
            )
        return
    running = InstanceLock(home).holder()
    if running is None:
        raise CommandFailure(
            _(
                "No llmlora runs with the data folder %(home)s on this machine, so there is nothing to work for. "
                "Start “llmlora up” first, or set DATABASE_URL and REDIS_URL to those of the web server."
            )
            % {"home": home.root}
        )
    if running.host_name != socket.gethostname():
        raise CommandFailure(
            _(
                "The data folder %(home)s belongs to %(other)s, and its SQLite database can not be shared between "
                "machines. Give llmlora a PostgreSQL database with DATABASE_URL, and set it here too."
            )
            % {"home": home.root, "other": running.host_name}
        )


def _wait_for_tables() -> None:
    """The web server makes the tables; a worker that starts first waits for them."""
    from django.db import OperationalError

    deadline = time.monotonic() + TABLES_SECONDS
    with spinner(_("Waiting for the database …")):
        while True:
            try:
                if not has_unapplied_migrations():
                    return
                failure = CommandFailure(
                    _(
                        "The database has not the tables of this version. "
                        "Start the web server of the same version first."
                    )
                )
            except OperationalError as error:
                failure = database_failure(error)
            if time.monotonic() > deadline:
                raise failure
            time.sleep(1)


def check_fits() -> None:
    """Compare this worker with the web server before it starts; a refusal also stands on the page of workers.

    Raises:
        CommandFailure: it does not fit.
    """
    from modelhub.lifecycle import free_worker_name, refuse_worker
    from modelhub.registration import check_fit
    from modelhub.sentences import refusal_sentence

    name = free_worker_name()
    deadline = time.monotonic() + FIT_SECONDS
    with spinner(_("Comparing this worker with the web server …")):
        # A web server that starts at the same moment may not have said yet which version and storage it has.
        while (refusal := check_fit(name)) is not None and time.monotonic() < deadline:
            time.sleep(1)
    if refusal is not None:
        refuse_worker(name, refusal)
        raise CommandFailure(refusal_sentence(refusal.code, refusal.params))


def _tell_device(pid: int) -> None:
    from django.db import connection

    row = children.worker_row(pid)
    connection.close()
    if row is not None:
        say(
            _("The worker “%(name)s” is ready on %(device)s (%(device_name)s, %(dtype)s).")
            % {
                "name": row.name,
                "device": row.device,
                "device_name": row.device_name,
                "dtype": row.dtype,
            }
        )
