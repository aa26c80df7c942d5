"""Whether the parts that a job needs are there: database, Redis and a worker with a device."""

from __future__ import annotations

import logging
from typing import Literal

from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest
from ninja import Router, Schema, Status
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from modelhub.models import Worker
from modelhub.selectors import workers

logger = logging.getLogger(__name__)

REDIS_TIMEOUT_SECONDS = 1

router = Router(tags=["health"])
PartState = Literal["ok", "down"]


class WorkerHealth(Schema):
    name: str
    device: str
    state: Worker.State


class Health(Schema):
    status: Literal["ok", "degraded"]
    version: str
    database: PartState
    redis: PartState
    workers: list[WorkerHealth]


@router.get(
    "/health",
    auth=None,
    response={200: Health, 503: Health},
    summary="Whether the server can do its work",
)
def health(request: HttpRequest) -> Status[Health]:
    """503 while a part is missing: the database, Redis, or every worker."""
    database = _database_state()
    found = _worker_rows() if database == "ok" else []
    redis = _redis_state()
    is_whole = database == "ok" and redis == "ok" and any(worker.is_at_work for worker in found)
    body = Health(
        status="ok" if is_whole else "degraded",
        version=settings.VERSION,
        database=database,
        redis=redis,
        workers=[
            WorkerHealth(name=row.name, device=row.device, state=Worker.State(row.state))
            for row in found
        ],
    )
    return Status(200 if is_whole else 503, body)


def _database_state() -> PartState:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        logger.warning("database is away: %s", error)
        return "down"
    return "ok"


def _worker_rows() -> list[Worker]:
    try:
        return workers()
    except DatabaseError as error:
        logger.warning("workers can not be read: %s", error)
        return []


def _redis_state() -> PartState:
    client = Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=REDIS_TIMEOUT_SECONDS,
        socket_connect_timeout=REDIS_TIMEOUT_SECONDS,
        # The library waits and tries again by default; a health answer must be quick.
        retry=Retry(NoBackoff(), 0),
    )
    try:
        client.ping()
    except (RedisError, OSError) as error:
        logger.warning("redis is away: %s", error)
        return "down"
    finally:
        client.close()
    return "ok"
