"""Wake a worker after commit. The row is the outbox: a poke that is lost only costs the patrol's interval."""

from __future__ import annotations

import logging
from typing import Any

from celery import Task
from django.db import transaction
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from common.redis_pause import redis_pause

logger = logging.getLogger(__name__)


def poke_on_commit(task: Task, *args: Any) -> None:
    """Queue task(*args) once the current transaction is in the database."""
    transaction.on_commit(lambda: poke(task, *args), robust=True)


def poke(task: Task, *args: Any) -> None:
    """Queue task(*args); when Redis is away the patrol of a worker finds the row."""
    if redis_pause.is_on:
        return
    try:
        # Not tried again: whoever asked waits for the answer meanwhile.
        task.apply_async(args, retry=False)
    except (OperationalError, RedisError, OSError) as error:
        redis_pause.begin()
        logger.warning("%s%s not queued: %s", task.name, args, error)
