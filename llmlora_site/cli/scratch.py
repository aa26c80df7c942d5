"""A system for one command: in a home of its own unless one is named, with a worker unless one runs."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from llmlora_site.cli import children
from llmlora_site.cli.console import spinner
from llmlora_site.cli.instance import InstanceLock
from llmlora_site.cli.language import _
from llmlora_site.cli.preflight import open_home
from llmlora_site.cli.preparation import needs_bundled_model, prepare_data, set_up_django
from llmlora_site.cli.redis_server import private_redis
from llmlora_site.cli.supervisor import Supervisor
from llmlora_site.home import Home


@contextmanager
def chosen_home(root: Path | None) -> Iterator[Home]:
    """The given home, or a temporary one that shares the model cache of the usual one."""
    if root is not None:
        os.environ["LLMLORA_HOME"] = str(root.expanduser().absolute())
        yield open_home(needs_model=needs_bundled_model(Home.from_environment()))
        return
    usual = Home.from_environment()
    usual.model_cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="llmlora-") as folder:
        os.environ["LLMLORA_HOME"] = folder
        home = open_home(needs_model=needs_bundled_model(usual))
        home.model_cache.rmdir()
        home.model_cache.symlink_to(usual.model_cache, target_is_directory=True)
        yield home


@contextmanager
def worker_running(home: Home) -> Iterator[None]:
    """A worker to train with: that of a running `up`, else one of our own with its Redis."""
    lock = InstanceLock(home)
    if lock.holder() is not None:
        set_up_django()
        yield
        return
    lock.acquire("")
    servers = [] if os.environ.get("REDIS_URL") else [private_redis(home)]
    system = Supervisor(
        servers, [children.worker_child(home, log=home.logs / "worker.log", node="scratch@%h")]
    )
    try:
        system.start_servers()
        prepare_data(home)
        with spinner(_("Starting a worker …")):
            system.start_programs()
            system.wait_healthy()
        yield
    finally:
        system.stop()
