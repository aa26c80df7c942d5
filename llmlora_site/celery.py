"""The Celery application: tasks are pokes with an id, the rows are the truth."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import django
from celery import Celery, Task
from celery.signals import (
    task_postrun,
    worker_init,
    worker_shutdown,
    worker_shutting_down,
)

if TYPE_CHECKING:
    from llmlora_site.patrol import Patrol

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "llmlora_site.settings")


class PokedTask(Task):
    """A poke reaches nobody while this worker is refused or paused: another one finds the row."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        from modelhub.registration import may_claim

        return super().__call__(*args, **kwargs) if may_claim() else None


app = Celery("llmlora", task_cls=PokedTask)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

_patrol: Patrol | None = None


@worker_init.connect
def start_patrol(**_: Any) -> None:
    """Begin to load the engine while Celery itself still connects."""
    # Only the worker needs models here; the web process imports this module before Django is ready.
    django.setup()
    from llmlora_site.patrol import Patrol
    from modelhub.lifecycle import worker_name

    global _patrol
    _patrol = Patrol(worker_name())
    _patrol.start()


@worker_shutting_down.connect
def drain(**_: Any) -> None:
    from modelhub.execution import start_draining

    start_draining()


@worker_shutdown.connect
def stop_patrol(**_: Any) -> None:
    if _patrol is not None:
        _patrol.stop()


@task_postrun.connect
def close_connection(**_: Any) -> None:
    """A pool thread may idle for hours; it holds no database connection meanwhile."""
    from django.db import connection

    connection.close()
