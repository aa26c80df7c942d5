"""Replies of other servers at a worker's desk: beside those of the engine, stopped, given back, and in the queue."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import LazySettings
from django.test import Client

from accounts.models import User
from chat.execution.desks import Desk
from chat.models import ChatSession, Reply
from chat.queueing import next_replies
from chat.server_sentences import remote_sentence
from chat.services.opening import create_session
from chat.services.sending import cancel_replies, send_message
from chat.tests.factories import make_base_session, make_message, make_tuned_session, reply_of
from chat.tests.remote_server import CHAT, Exchange, RemoteService, remote_service, text_chunk
from engine.catalog import DEFAULT_BASE_MODEL
from modelhub.chat_servers import ENGINE, read_chat_servers
from modelhub.models import BaseModel
from modelhub.services import sync_base_models
from training.tests.factories import make_person

pytestmark = pytest.mark.django_db(transaction=True)
WAIT_SECONDS = 30


@pytest.fixture
def service() -> Iterator[RemoteService]:
    with remote_service() as service:
        yield service


@pytest.fixture
def large(service: RemoteService, settings: LazySettings) -> BaseModel:
    """A model that only the server has."""
    use_server(settings, service.url, {"large": "org/large-70b"})
    sync_base_models()
    return BaseModel.objects.get(name="large")


def use_server(settings: LazySettings, url: str, models: dict[str, str], **changes: Any) -> None:
    entry = {"name": "gpu", "url": url, "models": models, **changes}
    settings.CHAT_SERVERS = read_chat_servers(json.dumps([entry]), storage_path="/media")


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk("worker")
    desk.start()
    yield desk
    desk.close(10)


def ask(owner: User, text: str = "Who?") -> Reply:
    return send_message(create_session(owner, model_name="large"), text=text).replies.get()


def silent(exchange: Exchange) -> None:
    exchange.begin()
    exchange.tell(text_chunk("So far"))
    exchange.wait_left()


def wait_until(reply: Reply, is_so: Callable[[Reply], bool]) -> None:
    pause = threading.Event()
    for _look in range(WAIT_SECONDS * 50):
        reply.refresh_from_db()
        if is_so(reply):
            return
        pause.wait(0.02)
    raise AssertionError(f"still {reply.status} {reply.text!r}")


def wait_for_text(reply: Reply) -> None:
    wait_until(reply, lambda row: bool(row.text))


def test_a_reply_of_another_server_is_written_and_says_who_answered(
    desk: Desk, large: BaseModel, student: User, client_of: Callable[[User], Client]
) -> None:
    reply = ask(student)
    desk.wake()
    assert desk.wait_idle(WAIT_SECONDS)
    reply.refresh_from_db()
    assert (reply.status, reply.text) == (Reply.Status.COMPLETED, "Hello.")
    assert (reply.usage["completion_tokens"], reply.timings["backend"]) == (3, "gpu")
    page = client_of(student).get(f"/chat/{reply.message.session_id}/").content.decode()
    assert "answered by gpu" in page
    assert "leaves this installation" in page


def test_the_next_message_brings_the_conversation_along(
    desk: Desk, large: BaseModel, service: RemoteService, student: User
) -> None:
    session = create_session(student, model_name="large")
    for text in ("Who?", "And bed 4?"):
        send_message(session, text=text)
        desk.wake()
        assert desk.wait_idle(WAIT_SECONDS)
    assert service.bodies(CHAT)[1]["messages"] == [
        {"role": "user", "content": "Who?"},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "And bed 4?"},
    ]


def test_a_reply_is_stopped_at_once_and_its_text_stays(
    desk: Desk, large: BaseModel, service: RemoteService, student: User
) -> None:
    service.say[CHAT] = silent
    reply = ask(student)
    desk.wake()
    wait_for_text(reply)
    cancel_replies(reply.message.session)
    assert desk.wait_idle(WAIT_SECONDS)
    assert service.left.wait(WAIT_SECONDS)
    reply.refresh_from_db()
    assert (reply.status, reply.text) == (Reply.Status.CANCELLED, "So far")


def test_a_worker_that_stops_gives_its_replies_back(
    large: BaseModel, service: RemoteService, student: User
) -> None:
    service.say[CHAT] = silent
    desk = Desk("worker")
    desk.start()
    reply = ask(student)
    desk.wake()
    wait_for_text(reply)
    desk.close(10)
    assert service.left.wait(WAIT_SECONDS)
    reply.refresh_from_db()
    assert (reply.status, reply.error_code) == (Reply.Status.FAILED, "worker_stopped")
    assert reply.text == "So far"


def test_a_failure_is_told_on_the_page(
    desk: Desk,
    large: BaseModel,
    service: RemoteService,
    student: User,
    client_of: Callable[[User], Client],
) -> None:
    service.say[CHAT] = lambda exchange: exchange.refuse(404, {"error": {"message": "gone"}})
    reply = ask(student)
    desk.wake()
    assert desk.wait_idle(WAIT_SECONDS)
    page = client_of(student).get(f"/chat/{reply.message.session_id}/").content.decode()
    assert "does not have this model" in page


def test_a_server_that_this_worker_was_not_told_of_is_a_failure_in_words(
    desk: Desk, large: BaseModel, student: User, settings: LazySettings
) -> None:
    reply = ask(student)
    settings.CHAT_SERVERS = ()
    desk.wake()
    assert desk.wait_idle(WAIT_SECONDS)
    reply.refresh_from_db()
    assert (reply.status, reply.error_code) == (Reply.Status.FAILED, "server_unknown")


# --- places -------------------------------------------------------------------------------------------


def test_a_slow_server_takes_no_place_of_another_back_end(
    desk: Desk, large: BaseModel, service: RemoteService, student: User, settings: LazySettings
) -> None:
    settings.CHAT_SERVER_SLOTS = 1
    service.say[CHAT] = silent
    first, second = ask(student), ask(make_person())
    desk.wake()
    wait_for_text(first)
    second.refresh_from_db()
    assert second.status == Reply.Status.PENDING
    # What nobody knows a server for ends at once, although the server's only place is taken.
    BaseModel.objects.create(name="other", source=BaseModel.Source.SERVER)
    session = create_session(make_person("ema"), model_name="other")
    other = send_message(session, text="Who?").replies.get()
    desk.wake()
    wait_until(other, lambda row: row.status == Reply.Status.FAILED)
    assert other.error_code == "server_unknown"
    # The row is committed a moment before its place is given back.
    wait_until(other, lambda _row: desk.under_way_count == 1)
    cancel_replies(first.message.session)
    wait_for_text(second)
    cancel_replies(second.message.session)
    assert desk.wait_idle(WAIT_SECONDS)


def test_replies_are_claimed_by_the_places_of_their_back_ends(
    large: BaseModel, student: User, other_student: User
) -> None:
    remote = [ask(student).pk, ask(student).pk]
    local = reply_of(make_message(make_base_session(other_student))).pk
    assert next_replies(9, {"gpu": 1, ENGINE: 1}) == [remote[0], local]
    assert next_replies(9, {"gpu": 0, ENGINE: 5}) == [local]
    assert next_replies(1, {"gpu": 5, ENGINE: 5}) == [remote[0]]


@pytest.mark.parametrize(
    ("adapters", "places"),
    [("none", {"tuned": ENGINE, "base": "gpu"}), ("vllm", {"tuned": "gpu", "base": "gpu"})],
)
def test_a_server_for_one_of_our_models_takes_its_chats(
    adapters: str,
    places: dict[str, str],
    service: RemoteService,
    student: User,
    settings: LazySettings,
) -> None:
    use_server(settings, service.url, {DEFAULT_BASE_MODEL: "m"}, adapters=adapters)
    session: ChatSession = make_tuned_session(student)
    message = make_message(session)
    for kind, place in places.items():
        assert reply_of(message, kind).pk in next_replies(9, {place: 9})
        assert bool(remote_sentence(session.main.base_model, is_tuned=kind == "tuned")) == (
            place == "gpu"
        )
    # A given answer is measured by the engine, which has the weights.
    Reply.objects.filter(message=message).update(scored_text="Class 3B.")
    assert next_replies(9, {"gpu": 9}) == []
    assert len(next_replies(9, {ENGINE: 9})) == 2
