"""Who is next among replies that wait, where each stands, and how many are let in."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.conf import LazySettings
from django.db import connection
from django.test import Client

from accounts.models import User
from chat.models import ChatSession, Message, Reply
from chat.queue_board import QueueBoard, is_worth_telling
from chat.queueing import Line, Queued, next_replies, places, places_of, queue_place
from chat.tests.factories import make_base_session, make_message, reply_of, start_reply
from common.errors import TooManyRequestsError

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


def waiting_reply(owner: User) -> Reply:
    return reply_of(make_message(make_base_session(owner)))


def order_of(waiting: str, under_way: str = "") -> str:
    """Owners as letters, in order of arrival, and in the order in which they are served."""

    def queued(owners: str) -> list[Queued]:
        return [Queued(uuid4(), ord(owner), uuid4()) for owner in owners]

    line = Line(queued(waiting), queued(under_way))
    return "".join(chr(item.owner_id) for item in line.in_turn())


# --- who is next ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("waiting", "under_way", "served"),
    [
        ("", "", ""),
        ("abc", "", "abc"),
        ("aaab", "", "abaa"),
        ("aaabbc", "", "abcaba"),
        ("ab", "a", "ba"),
        ("aabb", "aab", "baba"),
    ],
)
def test_people_take_turns(waiting: str, under_way: str, served: str) -> None:
    assert order_of(waiting, under_way) == served


def test_the_longest_waiting_of_two_people_is_next(student: User, other_student: User) -> None:
    first, second = waiting_reply(student), waiting_reply(other_student)
    assert next_replies(5) == [first.pk, second.pk]
    assert next_replies(1) == [first.pk]


def test_nobody_has_more_under_way_than_allowed(
    student: User, other_student: User, settings: LazySettings
) -> None:
    settings.CHAT_REPLIES_PER_OWNER = 2
    mine = [waiting_reply(student) for _number in range(4)]
    start_reply(mine[0])
    other = waiting_reply(other_student)
    assert next_replies(32) == [other.pk, mine[1].pk]


# --- places --------------------------------------------------------------------------------------------


def test_each_waiting_reply_knows_its_place(
    student: User, other_student: User, django_assert_num_queries: Any
) -> None:
    running, *mine = [waiting_reply(student) for _number in range(4)]
    start_reply(running)
    other = waiting_reply(other_student)
    with django_assert_num_queries(1):
        assert places() == {other.pk: 1, mine[0].pk: 2, mine[1].pk: 3, mine[2].pk: 4}
    with django_assert_num_queries(1):
        assert places_of([other, mine[2]]) == {other.pk: 1, mine[2].pk: 4}
    assert queue_place(mine[1]) == 3


def test_a_reply_that_does_not_wait_has_no_place(
    student: User, django_assert_num_queries: Any
) -> None:
    reply = waiting_reply(student)
    start_reply(reply)
    reply.refresh_from_db()
    with django_assert_num_queries(0):
        assert queue_place(reply) is None


@pytest.mark.parametrize(
    ("place", "told", "is_told"),
    [(1, 1, False), (1, 2, True), (9, 10, True), (40, 44, False), (40, 45, True), (40, 0, True)],
)
def test_far_back_single_steps_are_not_told(place: int, told: int, *, is_told: bool) -> None:
    assert is_worth_telling(place, told=told) is is_told


@pytest.mark.django_db(transaction=True)
async def test_one_reading_serves_all_pages_for_a_moment(student: User) -> None:
    from channels.db import database_sync_to_async

    board = QueueBoard(refresh_seconds=3600)
    assert await board.places_in(uuid4()) == {}
    reply = await database_sync_to_async(waiting_reply)(student)
    session = await ChatSession.objects.aget()
    assert await board.places_in(session.pk) == {}
    assert await QueueBoard().places_in(session.pk) == {str(reply.pk): 1}


# --- letting in ----------------------------------------------------------------------------------------


def test_a_person_with_many_waiting_replies_sends_no_more(
    student: User, other_student: User, settings: LazySettings
) -> None:
    settings.CHAT_WAITING_PER_OWNER = 2
    replies = [waiting_reply(student) for _number in range(2)]
    with pytest.raises(TooManyRequestsError, match="2 answers to your messages still wait") as told:
        waiting_reply(student)
    assert told.value.retry_after_seconds > 0
    waiting_reply(other_student)
    start_reply(replies[0])
    waiting_reply(student)


def test_a_full_queue_takes_no_more(
    student: User, other_student: User, settings: LazySettings
) -> None:
    settings.CHAT_WAITING_IN_ALL = 2
    waiting_reply(student)
    waiting_reply(student)
    with pytest.raises(TooManyRequestsError, match="Very many messages wait"):
        waiting_reply(other_student)


def test_somebody_who_sends_without_a_pause_is_held_up(
    student: User, settings: LazySettings
) -> None:
    settings.CHAT_MESSAGES_PER_MINUTE = 3
    for _number in range(3):
        start_reply(waiting_reply(student))
    with pytest.raises(TooManyRequestsError) as told:
        waiting_reply(student)
    assert 0 < told.value.retry_after_seconds <= 60


def test_the_api_says_when_to_try_again(
    student: User, client_of: SignIn, settings: LazySettings
) -> None:
    settings.CHAT_WAITING_PER_OWNER = 0
    session = make_base_session(student)
    response = client_of(student).post(
        "/api/chat/generate",
        {"session_id": str(session.pk), "message": "Hello"},
        content_type="application/json",
    )
    assert (response.status_code, response.json()["code"]) == (429, "too_many_requests")
    assert int(response["Retry-After"]) > 0
    assert not Message.objects.exists()


def test_the_page_says_why_a_message_was_not_sent(
    student: User, client_of: SignIn, settings: LazySettings
) -> None:
    settings.CHAT_WAITING_PER_OWNER = 0
    session = make_base_session(student)
    response = client_of(student).post(f"/chat/{session.pk}/messages/", {"text": "Hello"})
    assert response.status_code in (422, 429)
    assert "no more can be sent at once" in response.content.decode()


@pytest.mark.django_db(transaction=True)
def test_of_forty_messages_at_once_exactly_as_many_as_allowed_get_in(
    student: User, client_of: SignIn
) -> None:
    sessions = [make_base_session(student) for _number in range(40)]
    clients = [client_of(student) for _session in sessions]
    start = threading.Barrier(len(sessions))
    codes: Counter[int] = Counter()

    def send(client: Client, session: ChatSession) -> None:
        try:
            start.wait()
            response = client.post(f"/chat/{session.pk}/messages/", {"text": "Hello"})
            codes[response.status_code] += 1
        finally:
            connection.close()

    threads = [
        threading.Thread(target=send, args=pair) for pair in zip(clients, sessions, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Reply.objects.count() == Message.objects.count() == 8
    assert ChatSession.objects.exclude(head=None).count() == 8
    assert (codes[302], sum(codes.values())) == (8, 40)
    assert not [code for code in codes if code >= 500]
