"""At most one running system per home folder."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from dataclasses import asdict, dataclass

from llmlora_site.cli.console import CommandFailure
from llmlora_site.cli.language import _
from llmlora_site.home import Home


@dataclass(frozen=True, slots=True)
class Instance:
    """Who holds a home folder."""

    pid: int
    host_name: str
    address: str


class InstanceLock:
    """Held by the open file, so it ends with the process, however that ends."""

    def __init__(self, home: Home) -> None:
        self._path = home.run / "lock"
        self._file_descriptor = -1

    def acquire(self, address: str) -> None:
        """
        Raises:
            CommandFailure: another process holds it.
        """
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise CommandFailure(_already_running(self._path.parent.parent, self._read())) from None
        noted = Instance(pid=os.getpid(), host_name=socket.gethostname(), address=address)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(asdict(noted)).encode(), 0)
        self._file_descriptor = descriptor

    def keep_over_exec(self) -> None:
        """Let the program that replaces this one go on holding the lock."""
        os.set_inheritable(self._file_descriptor, True)

    def holder(self) -> Instance | None:
        """The running system of this home, or None."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return self._read()
        finally:
            os.close(descriptor)
        return None

    def _read(self) -> Instance:
        try:
            return Instance(**json.loads(self._path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            # Between taking the lock and writing into it there is a moment without words.
            return Instance(pid=0, host_name="", address="")


def _already_running(root: object, other: Instance) -> str:
    return _(
        "llmlora is already running with the data folder %(home)s: process %(pid)d, %(address)s. "
        "Use that one, stop it first, or choose another folder with --home."
    ) % {"home": root, "pid": other.pid, "address": other.address}
