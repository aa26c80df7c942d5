"""Many replies at once through one worker: what happens to one of them happens to no other."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import LazySettings, settings
from django.db import connection, connections, transaction

import modelhub.execution
from accounts.models import User
from chat import lifecycle
from chat.execution.answering import Answering
from chat.execution.desks import Desk
from chat.execution.writer import ReplyWriter, flush_interval_seconds
from chat.models import ChatSession, Reply
from chat.services.opening import create_session
from chat.services.sending import cancel_replies, send_message
from chat.tests.factories import (
    TIMINGS,
    USAGE,
    make_base_session,
    make_message,
    make_tuned_session,
    reply_of,
    start_reply,
)
from engine.tests.factories import make_tiny_base_model
from modelhub.execution import close_engine, engine
from modelhub.services import sync_base_models

pytestmark = pytest.mark.django_db(transaction=True)
# Without chance the untouched tiny model goes round in a circle and never stops by itself.
LONG = {"temperature": 0, "max_tokens": 4096}
LIMIT_SECONDS = 60


@pytest.fixture(scope="module", autouse=True)
def _engine() -> Iterator[None]:
    make_tiny_base_model(settings.LLMLORA_HOME.local_models / "tiny-long", context_length=8192)
    yield
    close_engine()


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk("worker")
    desk.start()
    yield desk
    desk.close(LIMIT_SECONDS)


def make_people(count: int) -> list[User]:
    return [User.objects.create_user(f"person-{number}") for number in range(count)]


def make_replies(people: list[User], **sampling: Any) -> list[Reply]:
    """A waiting reply of each, in a chat of its own."""
    sync_base_models()
    replies = []
    for number, person in enumerate(people):
        session = create_session(person, model_name="tiny-long")
        message = send_message(session, text="Go on.", sampling={"seed": number, **sampling})
        replies.append(message.replies.get())
    return replies


def wait_until(is_so: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _look in range(LIMIT_SECONDS * 100):
        if is_so():
            return
        pause.wait(0.01)
    raise AssertionError("it never came to that")


def wait_for_text(*replies: Reply) -> None:
    ids = [reply.pk for reply in replies]
    wait_until(
        lambda: Reply.objects.filter(pk__in=ids).exclude(text="").count() == len(ids),
    )


def session_of(reply: Reply) -> ChatSession:
    return ChatSession.objects.get(messages__replies=reply)


def states_of(replies: list[Reply]) -> list[tuple[str, str]]:
    for reply in replies:
        reply.refresh_from_db()
    return [(reply.status, reply.error_code) for reply in replies]


# --- all of them ---------------------------------------------------------------------------------------


def test_thirty_people_get_what_each_would_get_alone(desk: Desk) -> None:
    people = make_people(30)
    together = make_replies(people, temperature=2, max_tokens=12)
    desk.wake()
    assert desk.wait_idle(LIMIT_SECONDS)
    assert states_of(together) == [("completed", "")] * 30
    assert len({reply.text for reply in together}) > 1
    alone = make_replies(people[:3], temperature=2, max_tokens=12)
    for reply in alone:
        desk.wake()
        assert desk.wait_idle(LIMIT_SECONDS)
        reply.refresh_from_db()
    assert [reply.text for reply in alone] == [reply.text for reply in together[:3]]


def test_no_more_are_claimed_than_there_are_slots_and_the_next_follows_at_once(
    desk: Desk, settings: LazySettings
) -> None:
    settings.CHAT_SLOTS = 2
    replies = make_replies(make_people(3), **LONG)
    desk.wake()
    wait_for_text(*replies[:2])
    assert [status for status, _code in states_of(replies)] == ["running", "running", "pending"]
    cancel_replies(session_of(replies[0]))
    wait_for_text(replies[2])
    assert [status for status, _code in states_of(replies)] == ["cancelled", "running", "running"]


def test_one_who_asks_for_many_leaves_places_to_others(desk: Desk, settings: LazySettings) -> None:
    settings.CHAT_REPLIES_PER_OWNER = 1
    first, second = make_people(2)
    mine = make_replies([first, first], **LONG)
    others = make_replies([second], **LONG)
    desk.wake()
    wait_for_text(mine[0], *others)
    assert [status for status, _code in states_of(mine)] == ["running", "pending"]


# --- one of them ---------------------------------------------------------------------------------------


def test_stop_ends_one_with_the_text_so_far(desk: Desk) -> None:
    stopped, other = make_replies(make_people(2), **LONG)
    desk.wake()
    wait_for_text(stopped, other)
    cancel_replies(session_of(stopped))
    wait_until(lambda: states_of([stopped]) != [("running", "")])
    assert (stopped.status, stopped.finish_reason) == ("cancelled", "cancelled")
    assert stopped.text
    assert states_of([other]) == [("running", "")]


def test_a_lost_lease_and_a_deleted_chat_end_only_themselves(desk: Desk) -> None:
    lost, deleted, other = make_replies(make_people(3), **LONG)
    desk.wake()
    wait_for_text(lost, deleted, other)
    lost.refresh_from_db()
    assert lost.lease_token is not None
    lifecycle.lose(lost.pk, lost.lease_token)
    session_of(deleted).delete()
    wait_until(lambda: desk.under_way_count == 1)
    lost.refresh_from_db()
    assert (lost.status, lost.error_code) == ("failed", "worker_stopped")
    text = lost.text
    other.refresh_from_db()
    before = len(other.text)
    wait_until(lambda: states_of([other]) == [("running", "")] and len(other.text) > before)
    lost.refresh_from_db()
    assert lost.text == text


def test_text_that_can_not_be_stored_fails_alone(student: User) -> None:
    session = make_tuned_session(student)
    message = make_message(session)
    bad, good = (Answering(start_reply(reply)) for reply in message.replies.all())
    ended = threading.Semaphore(0)
    writer = ReplyWriter(on_ended=lambda answers: ended.release(len(answers)))
    bad.text, good.text = "half a character: \ud800", "all of it"
    good.end = {"type": "finished", "finish_reason": "stop", "usage": USAGE, "timings": TIMINGS}
    writer.add([bad, good])
    writer.start()
    assert ended.acquire(timeout=LIMIT_SECONDS)
    assert ended.acquire(timeout=LIMIT_SECONDS)
    writer.stop()
    writer.join(LIMIT_SECONDS)
    rows = {reply.pk: reply for reply in message.replies.all()}
    assert (rows[bad.lease.reply_id].status, rows[bad.lease.reply_id].error_code) == (
        "failed",
        "internal",
    )
    assert (rows[good.lease.reply_id].status, rows[good.lease.reply_id].text) == (
        "completed",
        "all of it",
    )


# --- what all of them depend on ------------------------------------------------------------------------


def test_a_dead_engine_fails_all_in_words_and_the_next_message_is_answered(desk: Desk) -> None:
    people = make_people(3)
    replies = make_replies(people, **LONG)
    desk.wake()
    wait_for_text(*replies)
    assert engine().pid is not None
    os.kill(engine().pid, signal.SIGKILL)
    assert desk.wait_idle(LIMIT_SECONDS)
    assert states_of(replies) == [("failed", "engine_died")] * 3
    assert all(reply.text for reply in replies)
    (again,) = make_replies(people[:1], max_tokens=4)
    desk.wake()
    assert desk.wait_idle(LIMIT_SECONDS)
    assert states_of([again]) == [("completed", "")]


@pytest.mark.skipif(connection.vendor != "sqlite", reason="locks the file of SQLite")
def test_a_locked_database_costs_no_text(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connections.settings["default"]["OPTIONS"], "timeout", 0.05)
    (reply,) = make_replies(make_people(1), **LONG | {"max_tokens": 300})
    desk.wake()
    wait_for_text(reply)
    with transaction.atomic():
        wait_until(lambda: desk.has_trouble)
    assert desk.wait_idle(LIMIT_SECONDS)
    (same,) = make_replies([session_of(reply).owner], **LONG | {"max_tokens": 300})
    desk.wake()
    assert desk.wait_idle(LIMIT_SECONDS)
    assert states_of([reply, same]) == [("completed", "")] * 2
    assert reply.text == same.text


def test_a_commit_of_which_nobody_heard_is_not_written_again(student: User) -> None:
    lease = start_reply(reply_of(make_message(make_base_session(student))))
    answer = Answering(lease)
    answer.text = "Class 3B"
    lifecycle.write([answer.piece()])
    answer.text += " waters it."
    answer.note_stored(lifecycle.stored_lengths([lease])[lease.reply_id])
    lifecycle.write([answer.piece()])
    assert Reply.objects.get().text == "Class 3B waters it."


def test_a_worker_that_drains_gives_its_replies_back(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modelhub.execution, "_draining", threading.Event())
    running, asked = make_replies(make_people(2), **LONG)
    desk.wake()
    wait_for_text(running, asked)
    modelhub.execution.start_draining()
    (late,) = make_replies([User.objects.create_user("late")], **LONG)
    desk.wake()
    assert desk.wait_idle(LIMIT_SECONDS)
    assert states_of([running, late]) == [("failed", "worker_stopped"), ("pending", "")]
    assert running.text


# --- how it is written ---------------------------------------------------------------------------------


def test_replies_of_one_chat_are_numbered_without_a_gap_in_one_transaction(
    student: User, django_assert_num_queries: Any
) -> None:
    session = make_tuned_session(student)
    leases = [start_reply(reply) for reply in make_message(session).replies.all()]
    pieces = [lifecycle.Piece(lease, 0, "a") for lease in leases]
    # The transaction, a text each, the chat's number read and written.
    with django_assert_num_queries(2 + 2 + 2):
        lifecycle.write(pieces)
    assert ChatSession.objects.get().event_seq == 4


def test_a_lost_reply_gets_nothing_and_the_others_their_text(student: User) -> None:
    lost, other = (
        start_reply(reply) for reply in make_message(make_tuned_session(student)).replies.all()
    )
    lifecycle.lose(lost.reply_id, lost.token)
    lifecycle.write([lifecycle.Piece(lost, 0, "late"), lifecycle.Piece(other, 0, "in time")])
    assert Reply.objects.get(pk=lost.reply_id).text == ""
    assert Reply.objects.get(pk=other.reply_id).text == "in time"
    assert lifecycle.look([lost, other]).lost == {lost.reply_id}


def test_a_silent_reply_keeps_its_lease(student: User) -> None:
    lease = start_reply(reply_of(make_message(make_base_session(student))))
    lifecycle.write([], [lease])
    assert Reply.objects.get().lease_count == 1


@pytest.mark.parametrize(("count", "seconds"), [(1, 0.1), (8, 0.1), (12, 0.15), (30, 0.25)])
def test_many_are_written_less_often(count: int, seconds: float) -> None:
    assert flush_interval_seconds(count) == pytest.approx(seconds)
