from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from engine.catalog import SMOLLM2
from modelhub.models import BaseModel, ModelPull
from modelhub.ollama.syncing import sync_ollama_models
from modelhub.pulling_execution import run_pull
from modelhub.services import sync_base_models
from modelhub.tests.ollama_server import VERSION, OllamaServer


@pytest.fixture
def caller(student: User, client_of: Callable[[User], Client]) -> Client:
    sync_base_models()
    # Pages send their CSRF token with each call; what happens without one is tested with the API's auth.
    return client_of(student)


@pytest.mark.parametrize(
    "address", ["/api/models", "/api/models/health", "/api/models/check/x", "/api/models/pulls"]
)
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
        "languages", "trouble",
    }  # fmt: skip
    assert bundled["source"] == "bundled"
    assert bundled["parameters"] == SMOLLM2.parameters
    assert bundled["license"] == "Apache-2.0"
    assert bundled["languages"] == ["en"]
    assert (bundled["gated"], bundled["trainable"], bundled["trouble"]) == (False, True, "")


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
    caller: Client, ollama: OllamaServer, settings: Any
) -> None:
    answer = caller.get("/api/models/health")

    assert answer.json() == {"status": "ok", "url": settings.OLLAMA_URL, "version": VERSION}


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b"null", b'{"version": 3}'])
def test_a_server_that_is_not_ollama_is_unreachable(
    caller: Client, ollama: OllamaServer, body: bytes
) -> None:
    ollama.respond["/api/version"] = lambda exchange: exchange.whole(body)

    answer = caller.get("/api/models/health")

    assert answer.status_code == 503
    assert answer.json()["status"] == "unreachable"


def test_a_server_that_is_away_is_unreachable(caller: Client, settings: Any) -> None:
    settings.OLLAMA_URL = "http://127.0.0.1:9"

    assert caller.get("/api/models/health").json()["status"] == "unreachable"


# --- models of Ollama ----------------------------------------------------------------------------


def test_models_of_ollama_are_listed_and_found_with_or_without_their_tag(
    caller: Client, ollama: OllamaServer
) -> None:
    ollama.add_model("llama3.2:latest")
    sync_ollama_models()

    listed = {model["name"]: model for model in caller.get("/api/models").json()["models"]}

    assert listed["llama3.2:latest"]["source"] == "ollama"
    assert listed["llama3.2:latest"]["license"] == "Apache-2.0"
    assert (listed["llama3.2:latest"]["ready"], listed["llama3.2:latest"]["trainable"]) == (
        True,
        False,
    )
    for name in ("llama3.2", "llama3.2:latest"):
        assert caller.get(f"/api/models/check/{name}").json() == {
            "model_name": name,
            "exists": True,
        }
    assert caller.get("/api/models/check/llama3.2:1b").json()["exists"] is False


# --- pulls ---------------------------------------------------------------------------------------

NAME = "hf.co/bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_K_M"


@pytest.fixture
def puller(instructor: User, ollama: OllamaServer, client_of: Callable[[User], Client]) -> Client:
    ollama.library[NAME] = [5_000_000_000, 100]
    return client_of(instructor)


def test_a_name_with_slashes_and_a_colon_is_pulled(puller: Client) -> None:
    answer = puller.post(f"/api/models/pull/{NAME}")

    assert answer.status_code == 202
    pull = answer.json()
    assert (pull["name"], pull["status"]) == (NAME, "pending")
    assert puller.get(f"/api/models/pulls/{pull['id']}").json() == pull

    run_pull(pull["id"])

    done = puller.get(f"/api/models/pulls/{pull['id']}").json()
    assert (done["status"], done["total_bytes"]) == ("completed", 5_000_000_100)
    assert done["message"] == "The model is here, and everybody can talk to it."
    assert puller.get(f"/api/models/check/{NAME}").json()["exists"] is True


def test_students_pull_nothing_and_see_no_pull(puller: Client, caller: Client) -> None:
    pull_id = puller.post(f"/api/models/pull/{NAME}").json()["id"]

    refused = caller.post(f"/api/models/pull/{NAME}")

    assert refused.status_code == 403
    assert "Only instructors" in refused.json()["message"]
    assert caller.get("/api/models/pulls").status_code == 403
    assert caller.get(f"/api/models/pulls/{pull_id}").status_code == 404
    assert caller.post(f"/api/models/pulls/{pull_id}/cancel").status_code == 404
    assert ModelPull.objects.count() == 1


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "a%20b", "https://ollama.com/library/llama3.2"]
)
def test_a_bad_name_is_refused_at_its_field(puller: Client, name: str) -> None:
    answer = puller.post(f"/api/models/pull/{name}")

    assert answer.status_code == 422
    assert [fault["field"] for fault in answer.json()["errors"]] == ["name"]


def test_without_ollama_the_sentence_says_what_to_set(
    instructor: User, client_of: Callable[[User], Client]
) -> None:
    answer = client_of(instructor).post("/api/models/pull/llama3.2")

    assert answer.status_code == 503
    assert "OLLAMA_URL" in answer.json()["message"]


def test_the_same_request_twice_is_one_pull(puller: Client, ollama: OllamaServer) -> None:
    first = puller.post(f"/api/models/pull/{NAME}", headers={"Idempotency-Key": "k"}).json()
    run_pull(first["id"])

    again = puller.post(f"/api/models/pull/{NAME}", headers={"Idempotency-Key": "k"}).json()

    assert (again["id"], again["status"]) == (first["id"], "completed")


def test_a_pull_is_stopped_once(puller: Client) -> None:
    pull_id = puller.post(f"/api/models/pull/{NAME}").json()["id"]

    assert puller.post(f"/api/models/pulls/{pull_id}/cancel").json()["status"] == "cancelled"
    assert puller.post(f"/api/models/pulls/{pull_id}/cancel").status_code == 409
    assert puller.post(f"/api/models/pulls/{uuid.uuid4()}/cancel").status_code == 404


def test_pulls_are_listed_newest_first(puller: Client) -> None:
    for name in ("a:latest", "b:latest"):
        puller.post(f"/api/models/pull/{name}")

    answer = puller.get("/api/models/pulls?limit=1").json()

    assert ([pull["name"] for pull in answer["items"]], answer["count"]) == (["b:latest"], 2)
