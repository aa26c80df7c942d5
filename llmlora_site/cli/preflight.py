"""What must be true before anything is started; each failure is a sentence with the mend."""

from __future__ import annotations

import errno
import os
import shutil
import socket
from pathlib import Path

from llmlora_site.cli.console import CommandFailure
from llmlora_site.cli.language import _
from llmlora_site.home import Home

MEGABYTE = 1_000_000
# The database, the logs and one adapter.
MIN_FREE_BYTES = 300 * MEGABYTE
# The bundled base model in float32.
MODEL_BYTES = 560 * MEGABYTE


def open_home(*, needs_model: bool) -> Home:
    """The home folder, made and checked.

    Raises:
        CommandFailure: it can not be written, or its disk is nearly full.
    """
    home = Home.from_environment()
    # Database, uploads and keys are this user's alone, also in a folder that others may enter.
    os.umask(0o077)
    try:
        home.create()
        probe = home.run / f"probe.{os.getpid()}"
        probe.write_bytes(b"llmlora")
        probe.unlink()
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise disk_full(home.root) from error
        raise CommandFailure(
            _(
                "The data folder %(home)s can not be written: %(reason)s. Choose another one with --home."
            )
            % {"home": home.root, "reason": error.strerror}
        ) from error
    check_disk(home.root, MIN_FREE_BYTES + (MODEL_BYTES if needs_model else 0))
    return home


def check_disk(folder: Path, needed_bytes: int) -> None:
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < needed_bytes:
        raise CommandFailure(
            _(
                "The disk of %(home)s has %(free)d MB free, and %(needed)d MB are needed. "
                "Make room, or choose another folder with --home."
            )
            % {"home": folder, "free": free_bytes // MEGABYTE, "needed": needed_bytes // MEGABYTE}
        )


def disk_full(folder: Path) -> CommandFailure:
    return CommandFailure(
        _("The disk of %(home)s is full. Make room, or choose another folder with --home.")
        % {"home": folder}
    )


def check_port(host: str, port: int) -> None:
    """
    Raises:
        CommandFailure: nothing can listen at this address.
    """
    values = {"host": host, "port": port}
    try:
        family, kind, protocol, _name, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            # As the web server will do: an address whose last connections only linger is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            sentence = _(
                "Port %(port)d on %(host)s is taken by another program. "
                "Choose another one, for example: --port %(next)d"
            )
            values["next"] = port + 1 if port < 65535 else 8000
        elif error.errno == errno.EACCES:
            sentence = _(
                "Port %(port)d is reserved for the system. Choose one above 1023 with --port."
            )
        else:
            sentence = _(
                "This machine has no address %(host)s. Choose another one with --host, or leave it out."
            )
        raise CommandFailure(sentence % values) from error
