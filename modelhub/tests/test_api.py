from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from engine.catalog import SMOLLM2
from modelhub.models import BaseModel
from modelhub.services import sync_base_models


@pytest.fixture
def caller(student: User, client_of: Callable[[User], Client]) -> Client:
    sync_base_models()
    # Pages send their CSRF token with each call; what happens without one is tested with the API's auth.
    return client_of(student)


@pytest.fixture
def ollama(settings: Any) -> Iterator[dict[str, bytes]]:
    """A real HTTP server in Ollama's place; the body of its answer can be set."""
    answer = {"body": b'{"version": "0.34.1"}'}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/api/version" else 404)
            self.end_headers()
            self.wfile.write(answer["body"])

        def log_message(self, format: str, *args: Any) -> None:
            """Tests stay quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
    ).start()
    settings.OLLAMA_URL = f"http://127.0.0.1:{server.server_port}/"
    yield answer
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("address", ["/api/models", "/api/models/health", "/api/models/check/x"])
def test_a_stranger_sees_nothing(db: None, address: str) -> None:
    assert Client().get(address).status_code == 401


def test_the_list_tells_what_a_client_needs_to_choose(caller: Client) -> None:
    bundled = next(
        model
        for model in caller.get("/api/models").json()["models"]
        if model["name"] == SMOLLM2.name
    )

    assert set(bundled) == {
        "name", "source", "size", "digest", "modified_at", "parameters", "license", "gated", "ready", "trainable",
        "languages",
    }  # fmt: skip
    assert bundled["source"] == "bundled"
    assert bundled["parameters"] == SMOLLM2.parameters
    assert bundled["license"] == "Apache-2.0"
    assert bundled["languages"] == ["en"]
    assert (bundled["gated"], bundled["trainable"]) == (False, True)


def test_a_disabled_model_is_not_listed(caller: Client) -> None:
    BaseModel.objects.update(is_enabled=False)

    assert caller.get("/api/models").json() == {"models": []}
    assert caller.get(f"/api/models/check/{SMOLLM2.name}").json()["exists"] is False


@pytest.mark.parametrize(
    ("name", "is_there"),
    [
        (SMOLLM2.name, True),
        ("nobody/nothing", False),
        ("../../etc/passwd", False),
        ("日本語", False),
    ],
)
def test_a_name_can_be_checked(caller: Client, name: str, is_there: bool) -> None:
    answer = caller.get(f"/api/models/check/{name}")

    assert answer.status_code == 200
    assert answer.json() == {"model_name": name, "exists": is_there}


def test_without_ollama_its_health_says_so(caller: Client) -> None:
    answer = caller.get("/api/models/health")

    assert answer.status_code == 200
    assert answer.json() == {"status": "not_configured", "url": None, "version": None}


def test_the_health_of_ollama_has_its_version(
    caller: Client, ollama: dict[str, bytes], settings: Any
) -> None:
    answer = caller.get("/api/models/health")

    assert answer.json() == {
        "status": "ok",
        "url": settings.OLLAMA_URL.rstrip("/"),
        "version": "0.34.1",
    }


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b"null"])
def test_a_server_that_is_not_ollama_is_unreachable(
    caller: Client, ollama: dict[str, bytes], body: bytes
) -> None:
    ollama["body"] = body

    answer = caller.get("/api/models/health")

    assert answer.status_code == 503
    assert answer.json()["status"] == "unreachable"


def test_a_server_that_is_away_is_unreachable(caller: Client, settings: Any) -> None:
    settings.OLLAMA_URL = "http://127.0.0.1:9"

    assert caller.get("/api/models/health").json()["status"] == "unreachable"
