from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from modelhub.models import Worker


def _make_worker(*, state: str = Worker.State.READY, silent_seconds: float = 1) -> Worker:
    heartbeat = timezone.now() - timedelta(seconds=silent_seconds)
    return Worker.objects.create(name="host-1", state=state, device="cpu", heartbeat_at=heartbeat)


@pytest.mark.parametrize("state", [Worker.State.READY, Worker.State.BUSY])
def test_everything_there_is_ok(db: None, redis_server: str, state: str) -> None:
    _make_worker(state=state)

    answer = Client().get("/api/health")

    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ok",
        "version": settings.VERSION,
        "database": "ok",
        "redis": "ok",
        "workers": [{"name": "host-1", "device": "cpu", "state": state}],
    }


@pytest.mark.parametrize(
    ("state", "silent_seconds", "told"), [("ready", 31, "down"), ("starting", 1, "starting")]
)
def test_without_a_worker_at_work_it_is_degraded(
    db: None, redis_server: str, state: str, silent_seconds: float, told: str
) -> None:
    _make_worker(state=state, silent_seconds=silent_seconds)

    answer = Client().get("/api/health")

    assert answer.status_code == 503
    assert answer["Retry-After"]
    assert answer.json()["status"] == "degraded"
    assert answer.json()["workers"][0]["state"] == told


@pytest.mark.alone
def test_without_redis_it_is_degraded_and_says_so_at_once(db: None, settings: Any) -> None:
    settings.REDIS_URL = "unix:///nonexistent/redis.sock"
    _make_worker()

    started_at = time.monotonic()
    answer = Client().get("/api/health")

    assert time.monotonic() - started_at < 2
    assert answer.status_code == 503
    assert answer.json()["redis"] == "down"
    assert answer.json()["database"] == "ok"
