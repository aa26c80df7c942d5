"""A model is pulled by a worker: how far it is, how it ends, and what happens when somebody or something stops it."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from common.errors import ConflictError, ForbiddenError, InvalidInputError, UnavailableError
from modelhub import execution, pulling_execution
from modelhub.models import BaseModel, ModelPull
from modelhub.ollama.pulling import PullProgress
from modelhub.pulling import request_pull, stop_pull
from modelhub.pulling_execution import (
    begin_pulls,
    look_after_ollama,
    run_pull,
    wait_pulls_ended,
)
from modelhub.pulling_lifecycle import (
    HEARTBEAT,
    KEPT_FOR,
    PullLostError,
    claim_pull,
    purge_pulls,
    renew_pull,
    waiting_pulls,
)
from modelhub.pulling_selectors import shown_pulls
from modelhub.pulling_sentences import pull_sentence
from modelhub.tests.ollama_server import WAIT_SECONDS, Exchange, OllamaServer

pytestmark = pytest.mark.django_db
NAME = "llama3.2:1b"
Status = ModelPull.Status
NO_WAIT = (0.0, 0.0)


@pytest.fixture
def draining() -> Iterator[threading.Event]:
    """Set, it says that the worker of this process stops."""
    yield execution._draining
    execution._draining.clear()


def pulled(person: User, name: str = NAME, **options: tuple[float, ...]) -> ModelPull:
    pull = request_pull(person, name)
    run_pull(pull.pk, **({"retry_seconds": ()} | options))
    pull.refresh_from_db()
    return pull


def layer(completed: int, total: int = 1000) -> dict[str, object]:
    digest = "sha256:" + "1" * 64
    return {"status": "pulling 1", "digest": digest, "total": total, "completed": completed}


# --- asking --------------------------------------------------------------------------------------


def test_only_instructors_pull(student: User, ollama: OllamaServer) -> None:
    with pytest.raises(ForbiddenError, match="Only instructors"):
        request_pull(student, NAME)
    assert not ModelPull.objects.exists()


@pytest.mark.parametrize("name", ["", "https://ollama.com/library/llama3.2", "10.0.0.5/a/b", "x y"])
def test_a_bad_name_is_refused_before_anything_starts(
    instructor: User, ollama: OllamaServer, name: str
) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        request_pull(instructor, name)
    assert [fault.field for fault in refusal.value.faults] == ["name"]
    assert not ModelPull.objects.exists()
    assert ollama.requests == []


def test_without_ollama_nothing_can_be_pulled(instructor: User) -> None:
    with pytest.raises(UnavailableError, match="OLLAMA_URL"):
        request_pull(instructor, NAME)


def test_who_asks_twice_gets_the_pull_that_is_under_way(
    instructor: User, ollama: OllamaServer
) -> None:
    first = request_pull(instructor, "llama3.2")
    assert request_pull(instructor, "llama3.2:latest") == first
    assert request_pull(instructor, NAME) != first
    stop_pull(instructor, first)
    assert request_pull(instructor, "llama3.2") != first


# --- the way of a pull ---------------------------------------------------------------------------


def test_a_pulled_model_can_be_talked_to(instructor: User, ollama: OllamaServer) -> None:
    ollama.library[NAME] = [1_000_000, 2_000]
    pull = pulled(instructor)
    assert (pull.status, pull.error_code) == (Status.COMPLETED, "")
    assert (pull.total_bytes, pull.completed_bytes) == (1_002_000, 1_002_000)
    assert pull.completed_at is not None
    assert pull_sentence(pull) == "The model is here, and everybody can talk to it."
    assert BaseModel.objects.get(name=NAME).is_enabled
    assert ollama.bodies("/api/pull") == [{"model": NAME, "stream": True}]


def test_a_model_that_nobody_can_talk_to_says_so(instructor: User, ollama: OllamaServer) -> None:
    def respond(exchange: Exchange) -> None:
        ollama.add_model(NAME, capabilities=["embedding"])
        exchange.begin()
        exchange.line({"status": "success"})
        exchange.end()

    ollama.respond["/api/pull"] = respond
    pull = pulled(instructor)
    assert pull.status == Status.COMPLETED
    assert "embeddings" in pull_sentence(pull)


@pytest.mark.django_db(transaction=True)
def test_progress_stands_in_the_row_while_ollama_fetches(
    instructor: User, ollama: OllamaServer
) -> None:
    go_on = threading.Event()

    def respond(exchange: Exchange) -> None:
        exchange.begin()
        exchange.line(layer(250))
        go_on.wait(WAIT_SECONDS)
        exchange.line({"status": "success"})
        exchange.end()

    ollama.respond["/api/pull"] = respond
    pull = request_pull(instructor, NAME)
    begin_pulls([pull.pk])
    while not pull.completed_bytes:
        threading.Event().wait(0.02)
        pull.refresh_from_db()
    assert (pull.status, pull.total_bytes, pull.completed_bytes) == (Status.RUNNING, 1000, 250)
    assert pull_sentence(pull) == "Fetching"
    assert waiting_pulls() == []
    begin_pulls([pull.pk])
    go_on.set()
    wait_pulls_ended(WAIT_SECONDS)
    pull.refresh_from_db()
    assert pull.status == Status.COMPLETED
    assert len(ollama.bodies("/api/pull")) == 1


def test_numbers_that_can_not_be_are_made_harmless(instructor: User, ollama: OllamaServer) -> None:
    def respond(exchange: Exchange) -> None:
        exchange.begin()
        for number in range(3):
            exchange.line(layer(10**40, 10**40) | {"digest": str(number)})
        exchange.line(layer(-5, 10) | {"status": "x" * 1000, "digest": None})
        exchange.line({"status": "success"})
        exchange.end()

    ollama.respond["/api/pull"] = respond
    pull = pulled(instructor)
    assert pull.status == Status.COMPLETED
    assert pull.total_bytes == pull.completed_bytes == 2**63 - 1


# --- failures ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        ("pull model manifest: file does not exist", "unknown_model", "no model of this name"),
        ("write /root/.ollama/blobs/x: no space left on device", "disk_full", "disk"),
        ("Get \"https://registry.ollama.ai/v2/\": dial tcp: lookup registry.ollama.ai: no such host",
         "library_away", "internet"),
        ("max retries exceeded: unexpected EOF", "library_away", "goes on where it was"),
        ("pull model manifest: 412: requires a newer version of Ollama", "ollama_too_old", "newer"),
        ("pull model manifest: 401: unauthorized", "not_allowed", "private"),
        ("digest mismatch", "refused", "digest mismatch"),
    ],
)  # fmt: skip
def test_each_failure_is_a_sentence(
    instructor: User, ollama: OllamaServer, words: str, code: str, sentence: str
) -> None:
    def respond(exchange: Exchange) -> None:
        exchange.begin()
        exchange.line({"status": "pulling manifest"})
        exchange.line({"error": words})
        exchange.end()

    ollama.respond["/api/pull"] = respond
    pull = pulled(instructor)
    assert (pull.status, pull.error_code) == (Status.FAILED, code)
    assert sentence in pull_sentence(pull)


def test_an_unknown_model_is_not_tried_again(instructor: User, ollama: OllamaServer) -> None:
    assert pulled(instructor, retry_seconds=NO_WAIT).error_code == "unknown_model"
    assert len(ollama.bodies("/api/pull")) == 1


def test_what_does_not_speak_as_ollama_does_is_told(instructor: User, ollama: OllamaServer) -> None:
    ollama.respond["/api/pull"] = lambda exchange: exchange.whole(b"<html>", kind="text/html")
    pull = pulled(instructor)
    assert pull.error_code == "not_ollama"
    assert "OLLAMA_URL" in pull_sentence(pull)


def test_an_ollama_that_is_away_is_told(
    instructor: User, ollama: OllamaServer, settings: Any
) -> None:
    pull = request_pull(instructor, NAME)
    settings.OLLAMA_URL = "http://127.0.0.1:9"
    run_pull(pull.pk)
    pull.refresh_from_db()
    assert (pull.status, pull.error_code) == (Status.FAILED, "unreachable")


def test_a_broken_line_is_tried_again_and_goes_on(instructor: User, ollama: OllamaServer) -> None:
    completed = iter((200, 400, 600, 1000))

    def respond(exchange: Exchange) -> None:
        now = next(completed)
        exchange.begin()
        exchange.line(layer(now))
        if now < 1000:
            exchange.break_off()
            return
        exchange.line({"status": "success"})
        exchange.end()

    ollama.respond["/api/pull"] = respond
    # Three times, though there are two tries: each went further than the one before.
    pull = pulled(instructor, retry_seconds=NO_WAIT)
    assert pull.status == Status.COMPLETED
    assert len(ollama.bodies("/api/pull")) == 4


def test_a_line_that_breaks_every_time_is_given_up(instructor: User, ollama: OllamaServer) -> None:
    def respond(exchange: Exchange) -> None:
        exchange.begin()
        exchange.line(layer(200))
        exchange.break_off()

    ollama.respond["/api/pull"] = respond
    pull = pulled(instructor, retry_seconds=NO_WAIT)
    assert (pull.status, pull.error_code) == (Status.FAILED, "cut_off")
    # The first, the one that found that it got nowhere, and the two tries.
    assert len(ollama.bodies("/api/pull")) == 3


# --- stopping ------------------------------------------------------------------------------------


def endless(hung_up: threading.Event) -> Callable[[Exchange], None]:
    def respond(exchange: Exchange) -> None:
        exchange.begin()
        exchange.line(layer(250))
        if exchange.wait_hung_up():
            hung_up.set()

    return respond


@pytest.mark.django_db(transaction=True)
def test_a_stopped_pull_lets_go_of_ollama(instructor: User, ollama: OllamaServer) -> None:
    hung_up = threading.Event()
    ollama.respond["/api/pull"] = endless(hung_up)
    pull = request_pull(instructor, NAME)
    begin_pulls([pull.pk])
    while not pull.completed_bytes:
        threading.Event().wait(0.02)
        pull.refresh_from_db()
    stop_pull(instructor, pull)
    assert hung_up.wait(WAIT_SECONDS)
    wait_pulls_ended(WAIT_SECONDS)
    pull.refresh_from_db()
    assert (pull.status, pull.completed_bytes) == (Status.CANCELLED, 250)
    assert "goes on from there" in pull_sentence(pull)
    with pytest.raises(ConflictError):
        stop_pull(instructor, pull)


def test_a_waiting_pull_is_stopped_at_once(instructor: User, ollama: OllamaServer) -> None:
    pull = request_pull(instructor, NAME)
    stop_pull(instructor, pull)
    run_pull(pull.pk)
    pull.refresh_from_db()
    assert pull.status == Status.CANCELLED
    assert ollama.requests == []


def test_a_worker_that_stops_gives_its_pull_back(
    instructor: User, ollama: OllamaServer, draining: threading.Event
) -> None:
    hung_up = threading.Event()
    ollama.respond["/api/pull"] = endless(hung_up)
    pull = request_pull(instructor, NAME)
    draining.set()
    run_pull(pull.pk)
    pull.refresh_from_db()
    assert hung_up.wait(WAIT_SECONDS)
    assert pull.status == Status.PENDING
    assert waiting_pulls() == [pull.pk]
    draining.clear()
    del ollama.respond["/api/pull"]
    ollama.library[NAME] = [10]
    run_pull(pull.pk)
    pull.refresh_from_db()
    assert pull.status == Status.COMPLETED


def test_a_worker_that_stops_takes_no_pull(
    instructor: User, ollama: OllamaServer, draining: threading.Event
) -> None:
    pull = request_pull(instructor, NAME)
    draining.set()
    begin_pulls([pull.pk])
    wait_pulls_ended(WAIT_SECONDS)
    assert ollama.requests == []


# --- leases --------------------------------------------------------------------------------------


def test_a_pull_is_found_when_its_poke_was_lost_or_its_worker_died(
    instructor: User, ollama: OllamaServer
) -> None:
    pull = request_pull(instructor, NAME)
    row = ModelPull.objects.filter(pk=pull.pk)
    assert waiting_pulls() == []
    row.update(renewed_at=timezone.now() - timedelta(seconds=5))
    assert waiting_pulls() == [pull.pk]
    lease = claim_pull(pull.pk)
    assert lease is not None
    assert claim_pull(pull.pk) is None
    assert waiting_pulls() == []
    row.update(renewed_at=timezone.now() - HEARTBEAT - timedelta(seconds=1))
    assert waiting_pulls() == [pull.pk]
    assert claim_pull(pull.pk) is not None


@pytest.mark.django_db(transaction=True)
def test_the_patrol_begins_what_nobody_told_of_and_sees_new_models(
    instructor: User, ollama: OllamaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulling_execution, "_synced_at", float("-inf"))
    ollama.library[NAME] = [10]
    ollama.add_model("by-hand:latest")
    pull = request_pull(instructor, NAME)
    ModelPull.objects.update(renewed_at=timezone.now() - timedelta(seconds=5))
    look_after_ollama()
    wait_pulls_ended(WAIT_SECONDS)
    pull.refresh_from_db()
    assert pull.status == Status.COMPLETED
    assert BaseModel.objects.filter(name="by-hand:latest", is_enabled=True).exists()


def test_who_lost_a_pull_writes_nothing(instructor: User, ollama: OllamaServer) -> None:
    pull = request_pull(instructor, NAME)
    first = claim_pull(pull.pk)
    assert first is not None
    ModelPull.objects.update(renewed_at=timezone.now() - HEARTBEAT * 2)
    assert claim_pull(pull.pk) is not None
    with pytest.raises(PullLostError):
        renew_pull(first, PullProgress("pulling", 10, 5))
    pull.refresh_from_db()
    assert (pull.status, pull.completed_bytes) == (Status.RUNNING, 0)


def test_a_pull_that_is_gone_is_nobodys(db: None) -> None:
    assert claim_pull(uuid.uuid4()) is None
    run_pull(uuid.uuid4())


def test_pulls_under_way_are_shown_before_the_last_ones(
    instructor: User, student: User, ollama: OllamaServer
) -> None:
    for number in range(8):
        ModelPull.objects.create(name=f"old{number}:latest", status=Status.COMPLETED)
    first = ModelPull.objects.create(name="new:latest", status=Status.RUNNING)
    ModelPull.objects.filter(pk=first.pk).update(created_at=timezone.now() - timedelta(days=1))
    assert [pull.name for pull in shown_pulls(instructor)] == [
        "new:latest", "old7:latest", "old6:latest", "old5:latest", "old4:latest", "old3:latest",
    ]  # fmt: skip
    assert shown_pulls(student) == []


def test_pulls_that_ended_long_ago_are_purged(ollama: OllamaServer) -> None:
    long_ago = timezone.now() - KEPT_FOR - timedelta(hours=1)
    for status in Status:
        ModelPull.objects.create(name=f"old-{status}", status=status, completed_at=long_ago)
    ModelPull.objects.filter(name__in=("old-pending", "old-running")).update(completed_at=None)
    ModelPull.objects.create(name="new", status=Status.FAILED, completed_at=timezone.now())
    ModelPull.objects.update(created_at=long_ago)
    assert purge_pulls() == 3
    left = ModelPull.objects.values_list("name", flat=True)
    assert set(left) == {"old-pending", "old-running", "new"}
