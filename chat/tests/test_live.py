"""The chat socket: who may listen, what comes in which order, and that a gap heals."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from html.parser import HTMLParser
from typing import Any
from uuid import uuid4

import pytest
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import AnonymousUser
from django.utils import translation

from accounts.models import User
from chat import fragments, lifecycle
from chat.consumers import ChatConsumer
from chat.events import group_name
from chat.finding import get_reply
from chat.models import ChatSession, Message, Reply
from chat.queue_board import QueueBoard
from chat.routing import websocket_urlpatterns
from chat.selectors import messages
from chat.services.branching import choose_take, edit_message, show_branch
from chat.services.voting import cast, reveal
from chat.tests.factories import (
    finish_reply,
    make_base_session,
    make_message,
    make_tuned_session,
    reply_of,
    start_reply,
    write_pieces,
)

pytestmark = pytest.mark.django_db(transaction=True)


LIMIT_SECONDS = 30


class Socket(WebsocketCommunicator):
    """A client with patience: on a busy machine the first page takes its time, and nothing else is meant by it."""

    async def receive_output(self, timeout: float = LIMIT_SECONDS) -> dict[str, Any]:
        return await super().receive_output(timeout)

    async def receive_from(self, timeout: float = LIMIT_SECONDS) -> str:
        return await super().receive_from(timeout)

    async def receive_json_from(self, timeout: float = LIMIT_SECONDS) -> Any:
        return await super().receive_json_from(timeout)


Open = Callable[..., Awaitable[Socket]]


class Moments:
    """The time between two looks of a socket at the rows: over when the test says so."""

    def __init__(self) -> None:
        self._begun = asyncio.Semaphore(0)
        self._over = asyncio.Semaphore(0)

    async def wait(self) -> None:
        self._begun.release()
        await self._over.acquire()

    async def pass_by(self) -> None:
        """Let one moment pass, once the look before it is done."""
        await self.begins()
        await self._begun.acquire()
        self._over.release()

    async def begins(self) -> None:
        """The look before it is done."""
        await self._begun.acquire()
        self._begun.release()


@pytest.fixture
def moments(monkeypatch: pytest.MonkeyPatch) -> Moments:
    moments = Moments()
    monkeypatch.setattr(ChatConsumer, "moment", moments.wait)
    monkeypatch.setattr(ChatConsumer, "board", QueueBoard(refresh_seconds=0))
    return moments


@pytest.fixture
async def open_socket(moments: Moments) -> AsyncIterator[Open]:
    sockets: list[Socket] = []

    async def open_it(user: Any, session_id: Any, query: str = "", language: str = "en") -> Socket:
        async def authenticate() -> Any:
            return user

        socket = Socket(URLRouter(websocket_urlpatterns), f"/ws/chat/{session_id}{query}")
        socket.scope |= {"user": user, "authenticate": authenticate, "language": language}
        sockets.append(socket)
        is_accepted, _protocol = await socket.connect(timeout=LIMIT_SECONDS)
        assert is_accepted
        return socket

    yield open_it
    for socket in sockets:
        await socket.disconnect(timeout=LIMIT_SECONDS)


async def _do(work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call what reads or writes rows from the test's event loop, as a worker's thread would."""
    return await database_sync_to_async(work)(*args, **kwargs)


async def _closed(socket: Socket) -> int:
    message = await socket.receive_output()
    assert message["type"] == "websocket.close", message
    return int(message["code"])


async def _nothing_to_complain_of(socket: Socket) -> None:
    """Frames are taken one after another: the answer to a bad one comes first only if those before were good."""
    await socket.send_json_to({"type": "send", "message": 7})
    event = await socket.receive_json_from()
    assert event["message"] == "The message must be text, and its settings an object."


async def _publish(session: ChatSession, event: dict[str, Any]) -> None:
    """An event that no row stands behind: what a lost or late message looks like."""
    await get_channel_layer().group_send(
        group_name(session.pk), {"type": "chat.event", "event": event}
    )


def _started_session(
    user: User, *, is_compared: bool = False
) -> tuple[ChatSession, lifecycle.Lease]:
    session = make_tuned_session(user) if is_compared else make_base_session(user)
    return session, start_reply(reply_of(make_message(session)))


# --- who may listen ----------------------------------------------------------------------------------


async def test_somebody_signed_out_is_closed_with_4401(open_socket: Open) -> None:
    assert await _closed(await open_socket(AnonymousUser(), uuid4())) == 4401


async def test_a_stranger_is_closed_with_4404(
    student: User, other_student: User, open_socket: Open
) -> None:
    session = await _do(make_base_session, student)
    assert await _closed(await open_socket(other_student, session.pk)) == 4404


async def test_an_unknown_chat_is_closed_with_4404(student: User, open_socket: Open) -> None:
    assert await _closed(await open_socket(student, uuid4())) == 4404


# --- JSON --------------------------------------------------------------------------------------------


async def test_the_snapshot_holds_every_turn(student: User, open_socket: Open) -> None:
    session, lease = await _do(_started_session, student)
    await _do(write_pieces, lease, ["So far"])
    socket = await open_socket(student, session.pk)
    event = await socket.receive_json_from()
    assert event["type"] == "snapshot"
    assert event["seq"] == 2
    assert event["session"]["id"] == str(session.pk)
    asked, reply = event["messages"]
    assert (asked["role"], asked["content"]) == ("user", "Who waters bed 3?")
    assert (reply["role"], reply["content"], reply["status"]) == ("assistant", "So far", "running")
    assert reply["message_id"] == asked["id"]


async def test_an_answer_streams_with_dense_numbers_and_offsets(
    student: User, open_socket: Open
) -> None:
    session = await _do(make_base_session, student)
    socket = await open_socket(student, session.pk)
    assert (await socket.receive_json_from())["seq"] == 0
    await socket.send_json_to({"type": "send", "message": "Hello", "settings": {"seed": 3}})
    await _nothing_to_complain_of(socket)
    reply = await _do(Reply.objects.get)
    assert reply.sampling["seed"] == 3
    lease = await _do(start_reply, reply)
    await _do(write_pieces, lease, ["水やり", " 3B\n", "."])
    await _do(finish_reply, lease)
    events = [await socket.receive_json_from() for _number in range(5)]
    assert [event["seq"] for event in events] == [1, 2, 3, 4, 5]
    assert [event["type"] for event in events] == ["started", "text", "text", "text", "finished"]
    assert [event["offset"] for event in events[1:4]] == [0, 3, 7]
    assert "".join(event["text"] for event in events[1:4]) == "水やり 3B\n."
    assert events[-1]["finish_reason"] == "stop"
    assert events[-1]["usage"]["completion_tokens"] == 12
    assert {event["reply_id"] for event in events} == {str(reply.pk)}


async def test_a_failure_is_told_in_the_readers_language(student: User, open_socket: Open) -> None:
    session, lease = await _do(_started_session, student)
    socket = await open_socket(student, session.pk, language="ja")
    await socket.receive_json_from()
    await _do(lifecycle.fail, lease, "out_of_memory")
    event = await socket.receive_json_from()
    assert event["code"] == "out_of_memory"
    assert "params" not in event
    with translation.override("ja"):
        from chat.sentences import error_sentence

        assert event["message"] == error_sentence("out_of_memory", {})


async def test_cancel_stops_what_waits(student: User, open_socket: Open) -> None:
    session = await _do(make_base_session, student)
    await _do(make_message, session)
    socket = await open_socket(student, session.pk)
    await socket.receive_json_from()
    await socket.send_json_to({"type": "cancel"})
    event = await socket.receive_json_from()
    assert (event["type"], event["finish_reason"]) == ("finished", "cancelled")


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ({"message": ""}, "invalid"),
        ({"message": 5}, "invalid"),
        ({"message": "x", "settings": [1]}, "invalid"),
        ({"message": "x", "settings": {"temperature": 9}}, "invalid"),
        ({"message": "x", "settings": {"colour": "red"}}, "invalid"),
        ({"message": "bell \x07"}, "invalid"),
        ({"message": "x" * 16_001}, "invalid"),
    ],
)
async def test_a_bad_message_is_answered_and_the_socket_stays(
    student: User, open_socket: Open, frame: dict[str, Any], code: str
) -> None:
    session = await _do(make_base_session, student)
    socket = await open_socket(student, session.pk)
    await socket.receive_json_from()
    await socket.send_json_to({"type": "send", **frame})
    event = await socket.receive_json_from()
    assert (event["type"], event["code"]) == ("error", code)
    assert event["message"]
    assert not await _do(Message.objects.exists)
    await socket.send_json_to({"type": "send", "message": "Hello"})
    await _nothing_to_complain_of(socket)
    assert await _do(Message.objects.count) == 1


async def test_half_a_character_closes_the_socket(student: User, open_socket: Open) -> None:
    session = await _do(make_base_session, student)
    socket = await open_socket(student, session.pk)
    await socket.receive_json_from()
    await socket.send_to(text_data='{"type": "send", "message": "\\ud800"}')
    assert (await socket.receive_json_from())["type"] == "error"
    assert await _closed(socket) == 4400
    assert not await _do(Message.objects.exists)


# --- order, gaps ---------------------------------------------------------------------------------------


async def test_events_in_the_wrong_order_come_out_right(student: User, open_socket: Open) -> None:
    session, lease = await _do(_started_session, student)
    socket = await open_socket(student, session.pk)
    await socket.receive_json_from()
    text = {"type": "text", "reply_id": str(lease.reply_id)}
    await _publish(session, {**text, "seq": 3, "offset": 1, "text": "b"})
    await _publish(session, {**text, "seq": 2, "offset": 0, "text": "a"})
    assert [(await socket.receive_json_from())["text"] for _number in range(2)] == ["a", "b"]


async def test_an_event_seen_twice_is_passed_on_once(student: User, open_socket: Open) -> None:
    session, lease = await _do(_started_session, student)
    socket = await open_socket(student, session.pk)
    await socket.receive_json_from()
    event = {"type": "text", "seq": 2, "reply_id": str(lease.reply_id), "offset": 0, "text": "a"}
    await _publish(session, event)
    await _publish(session, event)
    await socket.receive_json_from()
    assert await socket.receive_nothing(timeout=0.02)


@pytest.mark.parametrize("query", ["", "?as=html"])
async def test_a_lost_event_is_healed_by_a_snapshot(
    student: User, open_socket: Open, moments: Moments, query: str
) -> None:
    session, lease = await _do(_started_session, student)
    socket = await open_socket(student, session.pk, query)
    await socket.receive_output()
    # The row moves on, and its events never arrive.
    await _do(_write_unheard, lease, "Lost and found")
    await moments.pass_by()
    await moments.pass_by()
    message = await socket.receive_output()
    assert "Lost and found" in message["text"]
    await _do(write_pieces, lease, [" again"], offset=14)
    message = await socket.receive_output()
    assert "again" in message["text"]
    assert "Lost" not in message["text"]


async def test_an_event_under_way_is_waited_for(
    student: User, open_socket: Open, moments: Moments
) -> None:
    """A page got the whole conversation again whenever a piece came a little late."""
    session, lease = await _do(_started_session, student)
    socket = await open_socket(student, session.pk)
    await socket.receive_output()
    await _do(_write_unheard, lease, "abc")
    await moments.pass_by()
    # Its look is over when the next moment begins; only then do the events arrive.
    text = {"type": "text", "reply_id": str(lease.reply_id)}
    await moments.begins()
    for offset, letter in enumerate("abc"):
        await _publish(session, {**text, "seq": 2 + offset, "offset": offset, "text": letter})
    for letter in "abc":
        assert (await socket.receive_json_from())["text"] == letter
    await moments.pass_by()
    await moments.begins()
    assert await socket.receive_nothing(timeout=0.01)


def _write_unheard(lease: lifecycle.Lease, text: str) -> None:
    from django.db.models import F

    Reply.objects.filter(pk=lease.reply_id).update(text=text)
    ChatSession.objects.filter(pk=lease.session_id).update(event_seq=F("event_seq") + 3)


# --- the queue -------------------------------------------------------------------------------------------


async def test_a_waiting_reply_is_told_its_place_whenever_that_changes(
    student: User, other_student: User, open_socket: Open, moments: Moments
) -> None:
    first = await _do(_waiting_reply, other_student)
    session = await _do(make_base_session, student)
    socket = await open_socket(student, session.pk)
    await socket.receive_json_from()
    reply = await _do(_reply_elsewhere, session)
    await moments.pass_by()
    assert await socket.receive_json_from() == {
        "type": "queue",
        "reply_id": str(reply.pk),
        "place": 2,
    }
    await moments.pass_by()
    await moments.begins()
    assert await socket.receive_nothing(timeout=0.01)
    await _do(start_reply, first)
    await moments.pass_by()
    assert (await socket.receive_json_from())["place"] == 1


async def test_the_page_shows_the_place(
    student: User, other_student: User, open_socket: Open, moments: Moments
) -> None:
    first = await _do(_waiting_reply, other_student)
    session = await _do(make_base_session, student)
    reply = await _do(_reply_elsewhere, session)
    socket = await open_socket(student, session.pk, "?as=html")
    assert "Place 2 in the queue" in await socket.receive_from()
    await _do(start_reply, first)
    await moments.pass_by()
    html = await socket.receive_from()
    assert f'id="reply-{reply.pk}"' in html
    assert "Place 1 in the queue" in html


def _waiting_reply(owner: User) -> Reply:
    return reply_of(make_message(make_base_session(owner)))


# --- fragments -------------------------------------------------------------------------------------------


class _Texts(HTMLParser):
    """What a browser would hold as text in the element of each id."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: dict[str, str] = {}
        self.open_ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open_ids.append(dict(attrs).get("id") or "")

    def handle_endtag(self, tag: str) -> None:
        self.open_ids.pop()

    def handle_data(self, data: str) -> None:
        for element_id in filter(None, self.open_ids):
            self.texts[element_id] = self.texts.get(element_id, "") + data


def _text_in(html: str, element_id: str) -> str:
    collector = _Texts()
    collector.feed(html)
    return collector.texts.get(element_id, "")


async def test_the_page_gets_text_as_text_with_every_space(
    student: User, open_socket: Open
) -> None:
    session, lease = await _do(_started_session, student)
    socket = await open_socket(student, session.pk, "?as=html")
    assert f'id="reply-{lease.reply_id}-text"' in await socket.receive_from()
    pieces = ["  two spaces", "\n\n\tand lines  ", "<script>alert(1)</script>", "&amp; \"'"]
    await _do(write_pieces, lease, pieces)
    for piece in pieces:
        html = await socket.receive_from()
        assert html.startswith(f'<div id="reply-{lease.reply_id}-text" hx-swap-oob="beforeend">')
        assert "<script" not in html
        assert _text_in(html, f"reply-{lease.reply_id}-text") == piece


async def test_the_finished_reply_comes_once_as_markdown(student: User, open_socket: Open) -> None:
    session, lease = await _do(_started_session, student)
    socket = await open_socket(student, session.pk, "?as=html")
    await socket.receive_from()
    await _do(write_pieces, lease, ["Class **3B** <b onclick=alert(1)>"])
    await socket.receive_from()
    await _do(finish_reply, lease)
    html = await socket.receive_from()
    assert re.search(
        rf'<div class="reply [^>]+ id="reply-{lease.reply_id}" hx-swap-oob="outerHTML:', html
    )
    assert "<strong>3B</strong>" in html
    assert "<b " not in html
    assert "data-active" not in html
    assert "Done." in await socket.receive_from()


async def test_a_message_from_another_window_brings_the_conversation(
    student: User, open_socket: Open
) -> None:
    session = await _do(make_base_session, student)
    socket = await open_socket(student, session.pk, "?as=html")
    await socket.receive_from()
    await _do(start_reply, await _do(_reply_elsewhere, session))
    html = await socket.receive_from()
    assert 'id="conversation" hx-swap-oob="innerHTML"' in html
    assert "From elsewhere" in html


def _reply_elsewhere(session: ChatSession) -> Reply:
    return reply_of(make_message(session, "From elsewhere"))


async def test_a_piece_that_the_snapshot_brought_is_not_added_again(
    student: User, open_socket: Open
) -> None:
    session, lease = await _do(_started_session, student)
    await _do(write_pieces, lease, ["abcd"])
    socket = await open_socket(student, session.pk, "?as=html")
    await socket.receive_from()
    # Published before the snapshot's rows were read, delivered after: half of it is new.
    await _publish(
        session,
        {"type": "text", "seq": 3, "reply_id": str(lease.reply_id), "offset": 2, "text": "cdef"},
    )
    assert _text_in(await socket.receive_from(), f"reply-{lease.reply_id}-text") == "ef"


def test_a_rendered_conversation_holds_what_was_read_and_not_what_came_after(student: User) -> None:
    """The text that came between reading and rendering stood on the page twice."""
    session, lease = _started_session(student)
    turns = messages(session)
    write_pieces(lease, ["later"])
    assert "later" not in fragments.conversation_message(session, turns)


async def test_both_columns_of_a_comparison_are_written(student: User, open_socket: Open) -> None:
    session, tuned_or_base = await _do(_started_session, student, is_compared=True)
    other_reply = await _do(Reply.objects.exclude(pk=tuned_or_base.reply_id).get)
    socket = await open_socket(student, session.pk, "?as=html")
    await socket.receive_from()
    other = await _do(start_reply, other_reply)
    assert f'id="reply-{other.reply_id}-text"' in await socket.receive_from()
    for lease in (tuned_or_base, other):
        await _do(write_pieces, lease, [f"from {lease.reply_id}"])
        assert (
            _text_in(await socket.receive_from(), f"reply-{lease.reply_id}-text")
            == f"from {lease.reply_id}"
        )


# --- what the owner does in another window, and hidden names ---------------------------------------------


def _blind_session(user: User) -> tuple[ChatSession, list[Reply]]:
    session = make_tuned_session(user, is_blind=True)
    message = make_message(session)
    return session, list(message.replies.select_related("answerer", "message"))


async def test_a_program_hears_nothing_that_tells_a_hidden_name(
    student: User, open_socket: Open
) -> None:
    session, replies = await _do(_blind_session, student)
    socket = await open_socket(student, session.pk)
    frames = [await socket.receive_from()]
    tuned = next(reply for reply in replies if reply.target == "tuned")
    base = next(reply for reply in replies if reply.target == "base")
    await _do(lifecycle.fail, await _do(start_reply, tuned), "adapter_unusable", {"name": "Secret"})
    await _do(
        lifecycle.complete,
        await _do(start_reply, base),
        finish_reason="stop",
        usage={},
        timings={"tokens_per_second": 4.5, "backend": "Secret"},
    )
    frames += [await socket.receive_from() for _number in range(4)]
    told = "".join(frames)
    for secret in (
        "Secret",
        "adapter",
        "tuned",
        '"base"',
        base.answerer.label,
        tuned.answerer.label,
    ):
        assert secret not in told, secret
    assert "4.5" in told
    assert "Model A" in told


async def test_a_page_hears_nothing_that_tells_a_hidden_name(
    student: User, open_socket: Open
) -> None:
    session, replies = await _do(_blind_session, student)
    socket = await open_socket(student, session.pk, "?as=html")
    frames = [await socket.receive_from()]
    for reply in replies:
        lease = await _do(start_reply, reply)
        frames.append(await socket.receive_from())
        await _do(lifecycle.fail, lease, "adapter_unusable")
        frames.append(await socket.receive_from())
    told = "".join(frames)
    for secret in ("is-tuned", "is-base", "Tuned model", *(row.answerer.label for row in replies)):
        assert secret not in told, secret
    assert "Model B" in told


async def test_the_reveal_brings_the_names_to_every_window(
    student: User, open_socket: Open
) -> None:
    session, replies = await _do(_blind_session, student)
    labels = [reply.answerer.label for reply in replies]
    page = await open_socket(student, session.pk, "?as=html")
    program = await open_socket(student, session.pk)
    await page.receive_from()
    await program.receive_from()
    await _do(reveal, session, is_vote_needed=False)
    conversation, head = [await page.receive_from() for _number in range(2)]
    assert 'id="chat-models"' in head
    assert all(label in head and label in conversation for label in labels)
    assert (await program.receive_json_from())["type"] == "revealed"
    snapshot = await program.receive_json_from()
    assert [model["name"] for model in snapshot["session"]["models"]] == labels


async def test_another_branch_comes_to_the_other_windows(student: User, open_socket: Open) -> None:
    session = await _do(make_base_session, student)
    first = await _do(make_answered, session, "First?")
    await _do(edit_message, first, text="Second?")
    await _do(lifecycle.request_cancel, session.pk)
    page = await open_socket(student, session.pk, "?as=html")
    program = await open_socket(student, session.pk)
    assert "Second?" in await page.receive_from()
    await program.receive_from()
    await _do(show_branch, first)
    assert "First?" in await page.receive_from()
    event = await program.receive_json_from()
    assert (event["type"], event["message_id"]) == ("branch", str(first.pk))
    assert (await program.receive_json_from())["messages"][0]["content"] == "First?"


async def test_another_take_comes_only_where_it_is_not_in_view(
    student: User, open_socket: Open
) -> None:
    session = await _do(make_base_session, student)
    message = await _do(make_answered, session, "First?")
    page = await open_socket(student, session.pk, "?as=html")
    await page.receive_from()
    reply = await _do(lambda: get_reply(student, message.replies.get().pk))
    await _do(choose_take, reply)
    assert f'data-unless="reply-{reply.pk}"' in await page.receive_from()


async def test_a_vote_is_seen_in_the_other_windows(student: User, open_socket: Open) -> None:
    session = await _do(make_tuned_session, student)
    message = await _do(make_message, session)
    for reply in await _do(lambda: list(message.replies.all())):
        await _do(finish_reply, await _do(start_reply, reply))
    page = await open_socket(student, session.pk, "?as=html")
    await page.receive_from()
    await _do(cast, message, "tie")
    foot = await page.receive_from()
    assert f'id="foot-{message.pk}"' in foot
    assert foot.count('aria-pressed="true"') == 1
    assert 'id="chat-votes"' in foot


def make_answered(session: ChatSession, text: str) -> Message:
    message = make_message(session, text)
    finish_reply(start_reply(reply_of(message)))
    return message
