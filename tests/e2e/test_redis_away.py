"""Redis goes away for good while a class works: nothing is lost, and pages find out by asking."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from conftest import create_home
from llmlora_site.cli.redis_server import PrivateRedis
from llmlora_site.home import Home
from tests.e2e.product import Product
from tests.e2e.test_main_flow import (
    BEGUN,
    JOB_LIMIT_MILLISECONDS,
    LEVEL_1,
    sign_up,
    start_job,
    upload_dataset,
    wait_until_trained,
)

pytestmark = pytest.mark.faults


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[PrivateRedis]:
    home = Home(tmp_path / "redis")
    home.create()
    server = PrivateRedis(home)
    server.start()
    server.wait_until_healthy(timeout_seconds=10)
    yield server
    server.stop()


@pytest.fixture
def classroom(redis: PrivateRedis, tmp_path: Path) -> Iterator[Product]:
    """With a Redis of the school's own, which nobody starts again."""
    home = create_home(tmp_path / "home")
    url = f"unix://{Home(tmp_path / 'redis').redis_socket}"
    running = Product(home.root, REDIS_URL=url)
    try:
        running.wait_ready()
        yield running
    finally:
        running.stop()


def test_jobs_go_on_and_pages_poll_without_redis(
    browser: Browser, classroom: Product, redis: PrivateRedis
) -> None:
    page = browser.new_context(base_url=classroom.address, locale="en-GB").new_page()
    sign_up(page, "student-redis")
    upload_dataset(page, LEVEL_1, "Level 1")
    dataset = page.url
    start_job(page, "Begun with Redis", epochs=60)
    progress = page.locator("#job-status .job-progress__text")
    expect(progress).to_contain_text(BEGUN, timeout=JOB_LIMIT_MILLISECONDS)

    redis.stop()
    expect(page.locator("#job-paused")).to_be_visible(timeout=30_000)
    wait_until_trained(page)

    page.goto(dataset)
    start_job(page, "Begun without Redis", epochs=1)
    wait_until_trained(page)
