"""A Redis that is silent is waited for once, not by everybody who has something to tell it."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import psutil
import pytest
import redis

from common.channel_layer import publish
from common.poke import poke
from common.redis_pause import Pause
from training.tasks import run_waiting_jobs


def test_a_pause_ends_by_itself() -> None:
    now = 100.0
    pause = Pause(5.0, clock=lambda: now)
    assert not pause.is_on
    pause.begin()
    now = 104.9
    assert pause.is_on
    now = 105.0
    assert not pause.is_on


@pytest.fixture
def frozen_redis(redis_server: str) -> Iterator[None]:
    """Redis takes connections and answers nothing."""
    with redis.Redis.from_url(redis_server) as connection:
        process = psutil.Process(connection.info("server")["process_id"])
    process.send_signal(signal.SIGSTOP)
    yield
    process.send_signal(signal.SIGCONT)


def test_who_pokes_a_silent_redis_waits_once(
    frozen_redis: None, caplog: pytest.LogCaptureFixture
) -> None:
    for job in ("one", "two", "three"):
        poke(run_waiting_jobs, job)
    publish("training.job.1", {"type": "training.changed"})
    assert [record.name for record in caplog.records if "not " in record.message] == ["common.poke"]


def test_who_tells_a_silent_redis_waits_once(
    frozen_redis: None, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        publish("training.job.1", {"type": "training.changed"})
    poke(run_waiting_jobs, "one")
    names = [record.name for record in caplog.records if "not " in record.message]
    assert names == ["common.channel_layer"]
