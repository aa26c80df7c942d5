"""Pokes and live events through a real Redis on the installation's own private socket."""

from __future__ import annotations

import redis
from channels.layers import get_channel_layer
from django.conf import settings

import conftest
from common.poke import poke
from llmlora_site.home import Home
from training.tasks import run_waiting_jobs


def queue_length(url: str) -> int:
    with redis.Redis.from_url(url) as connection:
        keys = connection.keys("llmlora:*celery")
        return sum(connection.llen(key) for key in keys if connection.type(key) == b"list")


def test_a_poke_waits_in_redis_for_a_worker(redis_server: str) -> None:
    poke(run_waiting_jobs, "a-job")
    assert queue_length(redis_server) == 1


def test_each_test_starts_with_an_empty_redis(redis_server: str) -> None:
    assert queue_length(redis_server) == 0
    poke(run_waiting_jobs, "another-job")
    assert queue_length(redis_server) == 1


async def test_an_event_reaches_its_group(redis_server: str) -> None:
    layer = get_channel_layer()
    channel = await layer.new_channel()
    await layer.group_add("training.job.1", channel)
    await layer.group_send("training.job.1", {"type": "training.changed", "seq": 1})
    assert await layer.receive(channel) == {"type": "training.changed", "seq": 1}
    await layer.close_pools()


def test_without_the_fixture_nothing_leaves_this_process() -> None:
    assert settings.CHANNEL_LAYERS["default"]["BACKEND"] == "channels.layers.InMemoryChannelLayer"


def test_socket_is_for_its_owner_only(redis_server: str) -> None:
    socket = Home(conftest.TEST_HOME).redis_socket
    assert socket.stat().st_mode & 0o077 == 0
    assert socket.parent.stat().st_mode & 0o077 == 0


def test_test_home_is_the_one_that_settings_use() -> None:
    """The root conftest is one module, however a test names it."""
    assert conftest.TEST_HOME.resolve() == settings.LLMLORA_HOME.root


def test_redis_keeps_nothing_on_disk(redis_server: str) -> None:
    with redis.Redis.from_url(redis_server) as connection:
        assert connection.config_get("appendonly") == {"appendonly": "no"}
        assert connection.config_get("save") == {"save": ""}
