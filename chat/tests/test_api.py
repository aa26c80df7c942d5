"""The chat API: each call allowed, foreign, signed out and with bad input; and that a waiting answer never hangs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest
from asgiref.sync import sync_to_async
from django.http import HttpResponse
from django.test import AsyncRequestFactory, Client
from django.urls import resolve

from accounts.models import User
from accounts.tokens import create_token
from chat import lifecycle
from chat.api import generating
from chat.models import Answerer, ChatSession, Message, Reply
from chat.tests.factories import (
    finish_reply,
    make_answer,
    make_base_session,
    make_message,
    make_tuned_session,
    start_reply,
    write_pieces,
)
from training.tests.factories import make_base_model, make_completed_job, make_training_job

SignIn = Callable[[User], Client]
NOWHERE = UUID(int=7)
"""Nothing has this id; the same one in every test process."""


def _bearer(user: User) -> dict[str, str]:
    _token, plain = create_token(user, name="test", days=1)
    return {"Authorization": f"Bearer {plain}"}


def _post(client: Client, path: str, body: Any, **headers: str) -> Any:
    return client.post(f"/api/chat/{path}", body, content_type="application/json", headers=headers)


# --- sessions ------------------------------------------------------------------------------------------


def test_a_chat_is_opened_with_a_tuned_model(student: User, client_of: SignIn) -> None:
    job = make_completed_job(student)
    body = {
        "name": "Garden",
        "job_id": str(job.pk),
        "is_compared": True,
        "settings": {"temperature": 0.2},
    }
    response = _post(client_of(student), "sessions", body)
    assert response.status_code == 201
    answer = response.json()
    assert answer["name"] == "Garden"
    assert answer["job_id"] == str(job.pk)
    assert answer["model_name"] is None
    assert answer["base_model_name"] == job.base_model.name
    assert answer["is_compared"] is True
    assert answer["settings"]["temperature"] == 0.2


def test_a_chat_is_opened_with_a_base_model(student: User, client_of: SignIn) -> None:
    model = make_base_model()
    answer = _post(
        client_of(student), "sessions", {"name": "Plain", "model_name": model.name}
    ).json()
    assert (answer["model_name"], answer["job_id"]) == (model.name, None)


def test_the_same_key_opens_one_chat(student: User, client_of: SignIn) -> None:
    body = {"name": "Once", "model_name": make_base_model().name}
    client = client_of(student)
    ids = {
        _post(client, "sessions", body, **{"Idempotency-Key": "abc"}).json()["id"]
        for _try in range(2)
    }
    assert len(ids) == 1
    assert ChatSession.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"name": "x"}, 422),
        ({"job_id": "a", "model_name": "b"}, 422),
        ({"model_name": "no-such-model"}, 404),
        ({"job_id": "nonsense"}, 404),
        ({"job_id": str(uuid4())}, 404),
        ({"model_name": "smollm2-135m-instruct", "settings": {"temperature": 9}}, 422),
        ({"model_name": "smollm2-135m-instruct", "settings": {"colour": 1}}, 422),
        ({"model_name": "smollm2-135m-instruct", "settings": {"system_prompt": 5}}, 422),
        ({"model_name": 5}, 422),
    ],
)
def test_a_chat_with_bad_input_is_not_opened(
    student: User, client_of: SignIn, body: dict[str, Any], status: int
) -> None:
    make_base_model()
    response = _post(client_of(student), "sessions", body)
    assert response.status_code == status
    assert response.json()["message"]
    assert not ChatSession.objects.exists()


def test_an_unfinished_job_can_not_be_talked_to(student: User, client_of: SignIn) -> None:
    response = _post(client_of(student), "sessions", {"job_id": str(make_training_job(student).pk)})
    assert (response.status_code, response.json()["code"]) == (409, "conflict")


def test_the_list_holds_own_chats_newest_first(
    student: User, other_student: User, client_of: SignIn
) -> None:
    for name in ("first", "second"):
        make_base_session(student, name=name)
    make_base_session(other_student, name="foreign")
    answer = client_of(student).get("/api/chat/sessions", {"limit": 1}).json()
    assert answer["count"] == 2
    assert [item["name"] for item in answer["items"]] == ["second"]


def test_messages_come_in_reading_order_with_the_tuned_answer_first(
    student: User, client_of: SignIn
) -> None:
    session = make_tuned_session(student)
    message = make_message(session, "Who waters bed 3?")
    for target in (Answerer.Kind.BASE, Answerer.Kind.TUNED):
        make_answer(message, f"from {target}", target=target)
    answer = client_of(student).get(f"/api/chat/sessions/{session.pk}/messages").json()
    assert answer["count"] == 3
    assert [(item["role"], item["target"], item["content"]) for item in answer["items"]] == [
        ("user", None, "Who waters bed 3?"),
        ("assistant", "tuned", "from tuned"),
        ("assistant", "base", "from base"),
    ]
    assert answer["items"][1]["finish_reason"] == "stop"
    assert answer["items"][1]["usage"]["completion_tokens"] == 12


def test_a_failed_reply_is_told_in_words(student: User, client_of: SignIn) -> None:
    session = make_base_session(student)
    lifecycle.fail(start_reply(make_message(session).replies.get()), "prompt_too_long")
    reply = client_of(student).get(f"/api/chat/sessions/{session.pk}/messages").json()["items"][1]
    assert (reply["status"], reply["error_code"]) == ("failed", "prompt_too_long")
    assert "longer than the model can read" in reply["error_message"]


def test_a_chat_is_deleted(student: User, client_of: SignIn) -> None:
    session = make_base_session(student)
    assert client_of(student).delete(f"/api/chat/sessions/{session.pk}").status_code == 204
    assert not ChatSession.objects.exists()


def test_completed_jobs_are_those_with_an_adapter(
    student: User, other_student: User, client_of: SignIn
) -> None:
    job = make_completed_job(student)
    make_training_job(student)
    make_completed_job(other_student)
    answer = client_of(student).get("/api/chat/completed-jobs").json()
    assert [item["id"] for item in answer["items"]] == [str(job.pk)]
    assert answer["items"][0]["model_name"] == job.base_model.name
    assert answer["items"][0]["dataset_name"] == "Garden"


@pytest.mark.parametrize(
    ("method", "path"),
    [("get", "sessions/{}/messages"), ("delete", "sessions/{}"), ("post", "generate")],
)
def test_a_foreign_chat_is_not_found(
    student: User, other_student: User, client_of: SignIn, method: str, path: str
) -> None:
    session = make_base_session(student)
    body = {"session_id": str(session.pk), "message": "Hello"}
    address = f"/api/chat/{path.format(session.pk)}"
    arguments = {"data": body, "content_type": "application/json"} if method == "post" else {}
    response = getattr(client_of(other_student), method)(address, **arguments)
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert ChatSession.objects.exists()
    assert not Message.objects.exists()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", "sessions"),
        ("post", "sessions"),
        ("get", f"sessions/{NOWHERE}/messages"),
        ("delete", f"sessions/{NOWHERE}"),
        ("post", "generate"),
        ("get", "completed-jobs"),
    ],
)
def test_nobody_gets_in_without_signing_in(
    client: Client, db: None, method: str, path: str
) -> None:
    response = getattr(client, method)(f"/api/chat/{path}")
    assert (response.status_code, response.json()["code"]) == (401, "not_signed_in")


# --- generate ------------------------------------------------------------------------------------------


@asynccontextmanager
async def _worker(work: Callable[[Reply], None]) -> AsyncIterator[None]:
    """Takes the first reply that waits, in a thread of its own, as a worker's process would."""

    async def run() -> None:
        while (reply := await Reply.objects.filter(status=Reply.Status.PENDING).afirst()) is None:
            await asyncio.sleep(0.01)
        await sync_to_async(work)(reply)

    task = asyncio.create_task(run())
    try:
        yield
    finally:
        task.cancel()


def _say_class_3b(reply: Reply) -> None:
    lease = start_reply(reply)
    write_pieces(lease, ["Class ", "3B."])
    finish_reply(lease)


async def _post_generate(user: User, body: Any) -> HttpResponse:
    """The call without the middleware: those are synchronous and would hold the one thread the worker needs too."""
    request = AsyncRequestFactory().post(
        "/api/chat/generate",
        body,
        content_type="application/json",
        headers=await sync_to_async(_bearer)(user),
    )
    response: HttpResponse = await resolve("/api/chat/generate").func(request)
    return response


async def _generate(user: User, session: ChatSession, **changes: Any) -> tuple[int, dict[str, Any]]:
    body = {"session_id": str(session.pk), "message": "Who waters bed 3?"} | changes
    response = await _post_generate(user, body)
    return response.status_code, json.loads(response.content)


@pytest.fixture
def base_session(transactional_db: None, student: User) -> ChatSession:
    return make_base_session(student)


async def test_generate_waits_for_the_answer(student: User, base_session: ChatSession) -> None:
    async with _worker(_say_class_3b):
        status, answer = await _generate(
            student, base_session, temperature=0, max_tokens=20, seed=5
        )
    assert status == 200
    message = await Message.objects.aget()
    assert answer["message_id"] == str(message.pk)
    assert answer["session_id"] == str(base_session.pk)
    assert answer["response"] == "Class 3B."
    assert answer["finish_reason"] == "stop"
    assert answer["usage"]["completion_tokens"] == 12
    assert answer["timings"]["tokens_per_second"] == 17.3
    reply = await message.replies.aget()
    assert (
        reply.sampling["temperature"],
        reply.sampling["max_tokens"],
        reply.sampling["seed"],
    ) == (0, 20, 5)


async def test_generate_withdraws_the_message_when_no_worker_comes(
    student: User, base_session: ChatSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generating, "MAX_WAIT_FOR_WORKER_SECONDS", 0.05)
    monkeypatch.setattr(generating, "POLL_SECONDS", 0.01)
    status, answer = await _generate(student, base_session)
    assert (status, answer["code"]) == (503, "unavailable")
    assert "worker" in answer["message"]
    assert (await Reply.objects.aget()).status == Reply.Status.CANCELLED


async def test_generate_gives_the_device_back_when_the_caller_hangs_up(
    student: User, base_session: ChatSession
) -> None:
    call = asyncio.create_task(_generate(student, base_session))
    while not await Reply.objects.aexists():
        await asyncio.sleep(0.01)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    reply = await Reply.objects.aget()
    assert reply.status == Reply.Status.CANCELLED


@pytest.mark.parametrize(
    ("code", "status"),
    [("prompt_too_long", 422), ("adapter_unusable", 409), ("out_of_memory", 503)],
)
async def test_generate_says_why_it_failed(
    student: User, base_session: ChatSession, code: str, status: int
) -> None:
    async with _worker(lambda reply: lifecycle.fail(start_reply(reply), code)):
        found, answer = await _generate(student, base_session)
    assert found == status
    assert answer["message"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"message": ""}, 422),
        ({"message": "a" * 1_000_000}, 422),
        ({"message": "bell \x07"}, 422),
        ({"message": None}, 422),
        ({"temperature": 9}, 422),
        ({"max_tokens": 0}, 422),
        ({"max_tokens": 4097}, 422),
        ({"seed": -1}, 422),
        ({"session_id": "nonsense"}, 422),
        ({"session_id": str(uuid4())}, 404),
    ],
)
async def test_generate_refuses_bad_input_at_once(
    student: User, base_session: ChatSession, body: dict[str, Any], status: int
) -> None:
    found, answer = await _generate(student, base_session, **body)
    assert found == status
    assert answer["message"]
    assert not await Message.objects.aexists()


@pytest.mark.parametrize("text", ['"a\\u0000b"', '"\\ud800"', "NaN"])
async def test_generate_refuses_what_is_no_text(
    student: User, base_session: ChatSession, text: str
) -> None:
    response = await _post_generate(
        student, f'{{"session_id": "{base_session.pk}", "message": {text}}}'
    )
    assert response.status_code in (400, 422)
    assert json.loads(response.content)["message"]
    assert not await Message.objects.aexists()
