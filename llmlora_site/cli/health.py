"""`llmlora health`: one look from outside, for container health checks."""

from __future__ import annotations

import os
import socket

from llmlora_site.cli import children
from llmlora_site.cli.console import CommandFailure
from llmlora_site.cli.language import _
from llmlora_site.cli.preparation import set_up_django


def check_web(host: str, port: int) -> None:
    """
    Raises:
        CommandFailure: the web server does not answer that all is well.
    """
    set_up_django()
    if not children.answers_healthy(host, port):
        raise CommandFailure(
            _("The web server does not answer, or a part of the system is missing.")
        )


def check_worker() -> None:
    """
    Raises:
        CommandFailure: no worker of this machine's name takes work.
    """
    set_up_django()
    from modelhub.selectors import workers

    name = os.environ.get("LLMLORA_WORKER_NAME") or socket.gethostname()
    if not any(row.name == name and row.is_at_work for row in workers()):
        raise CommandFailure(_("The worker “%(name)s” does not take work.") % {"name": name})
