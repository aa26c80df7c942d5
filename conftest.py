"""The tests' own world: a temporary home, quick passwords, people, and a real Redis for those that ask.

Everything above `django.setup()` runs before Django reads its settings.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parent
TEST_HOME = Path(tempfile.mkdtemp(prefix="llmlora-test-"))
atexit.register(shutil.rmtree, TEST_HOME, ignore_errors=True)

# A developer's own installation must neither be read nor written by a test.
for name in list(os.environ):
    if name.startswith("LLMLORA_") and not name.startswith("LLMLORA_TEST_"):
        del os.environ[name]
for name in ("REDIS_URL", "DATABASE_URL", "OLLAMA_URL"):
    os.environ.pop(name, None)
if "LLMLORA_TEST_DATABASE_URL" in os.environ:
    os.environ["DATABASE_URL"] = os.environ["LLMLORA_TEST_DATABASE_URL"]
os.environ["LLMLORA_HOME"] = str(TEST_HOME)
os.environ["DJANGO_SETTINGS_MODULE"] = "llmlora_site.settings"
os.environ["HF_HUB_OFFLINE"] = "1"
# What a test sees of an answer must not depend on how busy the host is; the tests of llama.cpp ask for it themselves.
os.environ["LLMLORA_CHAT_ENGINE"] = "room"
# Test processes side by side (-n 2) share the cores: threads of one would wait for those of the other.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
# The one folder that all test processes of a run share; the first process makes and removes it.
SHARED_FOLDER = Path(os.environ.setdefault("LLMLORA_TEST_SHARED", str(TEST_HOME)))

from llmlora_site.home import Home
from llmlora_site.messages import compile_catalogues

# Preparing the bundled model takes seconds and is keyed by digest: every test session shares one copy.
SHARED_MODEL_CACHE = PROJECT_ROOT / ".make" / "models"


def create_home(root: Path) -> Home:
    """An empty home whose model cache is the one all test sessions share."""
    home = Home(root)
    home.create()
    SHARED_MODEL_CACHE.mkdir(parents=True, exist_ok=True)
    home.model_cache.rmdir()
    home.model_cache.symlink_to(SHARED_MODEL_CACHE, target_is_directory=True)
    return home


create_home(TEST_HOME)
# Django reads the compiled catalogues once; in a fresh clone there are none.
compile_catalogues()

import django
from django.conf import settings

REDIS_CHANNEL_LAYERS = settings.CHANNEL_LAYERS
REDIS_BROKER_URL = settings.CELERY_BROKER_URL
settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
settings.CELERY_BROKER_URL = "memory://"
if "DATABASE_URL" not in os.environ:
    # As in the product, a file: threads that share a database in memory lock each other out at once.
    settings.DATABASES["default"]["TEST"] = {"NAME": TEST_HOME / "test.sqlite3"}
# Hundreds of test people sign in; the real hasher is slow on purpose.
settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
django.setup()

import pytest
from celery import Celery
from django.test import Client
from django.utils import translation

from accounts.models import User
from tests.turns import Turns

PASSWORD = "correct-horse-battery"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """What test processes inherit would make them read settings for our home before they have their own."""
    for name in ("DJANGO_SETTINGS_MODULE", "LLMLORA_HOME"):
        os.environ.pop(name, None)


def _create_person(username: str, **fields: object) -> User:
    return User.objects.create_user(username, f"{username}@example.org", PASSWORD, **fields)


@pytest.fixture(scope="session")
def _turns() -> Iterator[Turns]:
    turns = Turns(SHARED_FOLDER)
    yield turns
    turns.close()


@pytest.fixture(autouse=True)
def _turn(request: pytest.FixtureRequest, _turns: Turns) -> Iterator[None]:
    """Beside other tests, or, for one that is marked `alone`, while no other one runs."""
    with _turns.alone() if request.node.get_closest_marker("alone") else _turns.beside_others():
        yield


@pytest.fixture(autouse=True)
def _english() -> None:
    """A request leaves its language behind in the thread, and the next test would speak it."""
    translation.activate("en")


@pytest.fixture
def student(db: None) -> User:
    return _create_person("aiko")


@pytest.fixture
def other_student(db: None) -> User:
    return _create_person("ben")


@pytest.fixture
def instructor(db: None) -> User:
    return _create_person("chiyo", is_staff=True)


@pytest.fixture
def client_of(db: None) -> Callable[[User], Client]:
    """A signed-in browser of the given person."""

    def sign_in(user: User) -> Client:
        client = Client()
        client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
        return client

    return sign_in


@pytest.fixture
def new_home(tmp_path: Path) -> Home:
    """A home of its own for a test that starts processes."""
    return create_home(tmp_path / "home")


@pytest.fixture(scope="session")
def _redis_process() -> Iterator[str]:
    from llmlora_site.cli.redis_server import PrivateRedis

    server = PrivateRedis(Home(TEST_HOME))
    server.start()
    try:
        server.wait_until_healthy(timeout_seconds=10)
        yield settings.REDIS_URL
    finally:
        server.stop()


@pytest.fixture(autouse=True)
def _nobody_was_silent() -> None:
    """A test that found Redis away spares no other one the wait."""
    from common.redis_pause import redis_pause

    redis_pause.end()


@pytest.fixture
def redis_server(_redis_process: str) -> Iterator[str]:
    """The address of an empty, real Redis; the channel layer and Celery use it during this test."""
    import redis
    from django.test import override_settings

    from llmlora_site.celery import app

    with redis.Redis.from_url(_redis_process) as connection:
        connection.flushall()
    with override_settings(CHANNEL_LAYERS=REDIS_CHANNEL_LAYERS):
        _use_broker(app, REDIS_BROKER_URL)
        yield _redis_process
    _use_broker(app, "memory://")


def _use_broker(app: Celery, url: str) -> None:
    """Celery keeps connections by their old address until its pools are dropped."""
    from kombu import pools

    app.conf.broker_url = app.conf.broker_read_url = app.conf.broker_write_url = url
    pools.reset()
    app._pool = None
    app.amqp._producer_pool = None
