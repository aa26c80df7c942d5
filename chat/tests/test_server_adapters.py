"""Tuned models on a server that loads adapters while it runs, by vLLM's two requests."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest

from accounts.models import User
from chat.backends.calls import ServerCall
from chat.backends.openai import OpenAiBackend
from chat.backends.server_adapters import AdapterShelf, ServedAdapter
from chat.models import Reply
from chat.tests.factories import make_message, make_tuned_session, reply_of
from chat.tests.remote_server import (
    CHAT,
    LOAD,
    UNLOAD,
    Exchange,
    RemoteService,
    answer_hello,
    remote_service,
)
from chat.tests.test_chat_servers import events_of
from engine.catalog import DEFAULT_BASE_MODEL
from modelhub.chat_servers import ChatServer, read_chat_servers
from training.models import Adapter

pytestmark = pytest.mark.django_db


class Loader:
    """What such a server knows of adapters."""

    def __init__(self, service: RemoteService) -> None:
        self.loaded: dict[str, str] = {}
        service.say = {CHAT: self.chat, LOAD: self.load, UNLOAD: self.unload}

    def load(self, exchange: Exchange) -> None:
        name, path = exchange.json["lora_name"], exchange.json["lora_path"]
        if name in self.loaded:
            message = f"The lora adapter '{name}' has already been loaded."
            exchange.refuse(400, {"error": {"message": message, "type": "InvalidUserInput"}})
            return
        self.loaded[name] = path
        exchange.begin(kind="application/json")
        exchange.write("Success")

    def unload(self, exchange: Exchange) -> None:
        del self.loaded[exchange.json["lora_name"]]
        exchange.begin(kind="application/json")
        exchange.write("Success")

    def chat(self, exchange: Exchange) -> None:
        if exchange.json["model"] in (*self.loaded, "org/small"):
            answer_hello(exchange)
        else:
            exchange.refuse(404, {"error": {"message": "The model does not exist.", "code": 404}})


@pytest.fixture
def service() -> Iterator[RemoteService]:
    with remote_service() as service:
        yield service


@pytest.fixture
def loader(service: RemoteService) -> Loader:
    return Loader(service)


@pytest.fixture
def server(service: RemoteService) -> ChatServer:
    entry = {
        "name": "gpu",
        "url": service.url,
        "models": {DEFAULT_BASE_MODEL: "org/small"},
        "adapters": "vllm",
        "adapter_path": "/mnt/media",
    }
    return read_chat_servers(json.dumps([entry]))[0]


@pytest.fixture
def replies(student: User) -> dict[str, Reply]:
    message = make_message(make_tuned_session(student))
    return {kind: reply_of(message, kind) for kind in ("tuned", "base")}


def adapter_of(reply: Reply) -> Adapter:
    assert reply.answerer.job is not None
    return reply.answerer.job.adapter


def test_an_adapter_is_loaded_once_and_answers_under_its_name(
    server: ChatServer, service: RemoteService, loader: Loader, replies: dict[str, Reply]
) -> None:
    backend = OpenAiBackend(server)
    for kind in ("tuned", "tuned", "base"):
        assert events_of(backend.submit(replies[kind], "work"))[-1]["type"] == "finished"
    adapter = adapter_of(replies["tuned"])
    name = f"job-{adapter.job_id}-{adapter.digest[:12]}"
    assert service.paths == [LOAD, CHAT, CHAT, CHAT]
    assert [body["model"] for body in service.bodies(CHAT)] == [name, name, "org/small"]
    assert loader.loaded == {name: f"/mnt/media/{adapter.prefix}"}


def test_what_another_worker_has_loaded_is_used(
    server: ChatServer, loader: Loader, replies: dict[str, Reply]
) -> None:
    for backend in (OpenAiBackend(server), OpenAiBackend(server)):
        assert events_of(backend.submit(replies["tuned"], "work"))[-1]["type"] == "finished"


def test_a_server_that_has_forgotten_an_adapter_is_given_it_again(
    server: ChatServer, service: RemoteService, loader: Loader, replies: dict[str, Reply]
) -> None:
    backend = OpenAiBackend(server)
    events_of(backend.submit(replies["tuned"], "work"))
    loader.loaded.clear()
    assert events_of(backend.submit(replies["tuned"], "work"))[-1]["type"] == "finished"
    assert service.paths == [LOAD, CHAT, CHAT, LOAD, CHAT]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, {"detail": "Not Found"}),
        (404, {"error": {"message": "No adapter found for /mnt/media", "code": 404}}),
        (400, {"error": {"message": "LoRA rank 64 is greater than max_lora_rank 16."}}),
    ],
)
def test_an_adapter_that_can_not_be_loaded_is_a_failure_in_words(
    status: int,
    body: object,
    server: ChatServer,
    service: RemoteService,
    loader: Loader,
    replies: dict[str, Reply],
) -> None:
    service.say[LOAD] = lambda exchange: exchange.refuse(status, body)
    end = events_of(OpenAiBackend(server).submit(replies["tuned"], "work"))[-1]
    assert (end["type"], end["code"]) == ("failed", "server_adapter")
    assert CHAT not in service.paths


def test_a_server_that_is_never_given_an_adapter_does_not_go_in_a_circle(
    server: ChatServer, service: RemoteService, loader: Loader, replies: dict[str, Reply]
) -> None:
    service.say[CHAT] = lambda exchange: exchange.refuse(404, {"error": {"message": "no"}})
    end = events_of(OpenAiBackend(server).submit(replies["tuned"], "work"))[-1]
    assert end["code"] == "server_no_model"
    assert service.paths == [LOAD, CHAT, LOAD, CHAT]


# --- the shelf ------------------------------------------------------------------------------------------


def served(number: int) -> ServedAdapter:
    return ServedAdapter(f"job-{number}", f"/mnt/media/{number}")


def test_the_longest_unused_are_put_away(service: RemoteService, loader: Loader) -> None:
    shelf, call = AdapterShelf(service.url, kept=2), ServerCall(10)
    for number in (1, 2, 1, 3):
        with shelf.held(call, served(number)):
            pass
    assert list(loader.loaded) == ["job-1", "job-3"]


def test_what_answers_right_now_is_not_put_away(service: RemoteService, loader: Loader) -> None:
    shelf, call = AdapterShelf(service.url, kept=1), ServerCall(10)
    with shelf.held(call, served(1)):
        with shelf.held(call, served(2)):
            assert set(loader.loaded) == {"job-1", "job-2"}
        with shelf.held(call, served(3)):
            assert set(loader.loaded) == {"job-1", "job-3"}
    with shelf.held(call, served(3)):
        assert set(loader.loaded) == {"job-3"}


def test_a_server_that_puts_nothing_away_holds_up_nobody(
    service: RemoteService, loader: Loader
) -> None:
    service.say[UNLOAD] = lambda exchange: exchange.refuse(500, "no")
    shelf, call = AdapterShelf(service.url, kept=1), ServerCall(10)
    for number in (1, 2):
        with shelf.held(call, served(number)):
            assert f"job-{number}" in loader.loaded


def test_of_many_who_need_it_at_once_one_loads_it(service: RemoteService, loader: Loader) -> None:
    shelf = AdapterShelf(service.url)
    together = threading.Barrier(6)

    def use() -> None:
        together.wait()
        with shelf.held(ServerCall(10), served(1)):
            together.wait()

    threads = [threading.Thread(target=use) for _number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert service.paths == [LOAD]
