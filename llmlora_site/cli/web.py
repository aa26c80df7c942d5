"""`llmlora web`: the web server alone, for hosts where something else supervises it and the workers."""

from __future__ import annotations

import os

from llmlora_site.cli import children
from llmlora_site.cli.child import PROJECT_ROOT
from llmlora_site.cli.console import say
from llmlora_site.cli.instance import InstanceLock
from llmlora_site.cli.language import _
from llmlora_site.cli.preflight import check_port, open_home
from llmlora_site.cli.preparation import needs_bundled_model, prepare_data
from llmlora_site.cli.seed import seed_admin, sign_in_link
from llmlora_site.cli.supervisor import stop_signals
from llmlora_site.home import Home


def web(host: str, port: int) -> None:
    """Prepare the data, then become the web server."""
    with stop_signals():
        home = open_home(needs_model=needs_bundled_model(Home.from_environment()))
        if not os.environ.get("DATABASE_URL"):
            # The file belongs to one system; a database server may have several web hosts.
            lock = InstanceLock(home)
            lock.acquire(children.local_url(host, port))
            lock.keep_over_exec()
        check_port(host, port)
        prepare_data(home)
        seed_admin()
        _tell_link(host, port)
    command = children.web_command(host, port)
    os.chdir(PROJECT_ROOT)
    os.execve(command[0], command, children.child_environment())


def _tell_link(host: str, port: int) -> None:
    from django.conf import settings
    from django.db import connections

    if link := sign_in_link(settings.PUBLIC_URL or children.local_url(host, port)):
        say(_("Sign in as the first instructor; the link works once, within the next hour:"))
        say(link)
    connections.close_all()
