"""The OpenAI-compatible API: models, whole answers, failures in the protocol's words, and hostile requests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from django.test import Client
from django.utils import timezone

from accounts.models import User
from accounts.tokens import create_token
from chat import lifecycle
from chat.models import ChatSession, Reply
from chat.openai_api.schemas import MAX_BODY_BYTES
from chat.services.purging import purge_requests
from chat.tests.asgi_caller import AsgiCaller
from chat.tests.factories import finish_reply, start_reply, write_pieces
from modelhub.models import BaseModel
from training.models import TrainingJob
from training.tests.factories import make_base_model, make_completed_job, make_training_job

pytestmark = pytest.mark.django_db(transaction=True)
QUESTION = {"role": "user", "content": "Who waters bed 3?"}


@pytest.fixture
def base_model(student: User) -> BaseModel:
    return make_base_model()


@pytest.fixture
def bearer(student: User) -> dict[str, str]:
    return bearer_of(student)


def bearer_of(user: User) -> dict[str, str]:
    _token, plain = create_token(user, name="test", days=1)
    return {"authorization": f"Bearer {plain}"}


def body_of(base_model: BaseModel, **changes: Any) -> bytes:
    body = {"model": base_model.name, "messages": [QUESTION]} | changes
    return json.dumps(body).encode()


def post(body: bytes, headers: dict[str, str]) -> AsgiCaller:
    return AsgiCaller("POST", "/v1/chat/completions", body, headers)


async def get(path: str, headers: dict[str, str]) -> tuple[int, Any]:
    call = await AsgiCaller("GET", path, headers=headers).start()
    return call.status, await call.json()


async def stored_reply() -> Reply:
    """The first reply, as soon as it stands there."""
    async with asyncio.timeout(10):
        while (reply := await Reply.objects.select_related("message").afirst()) is None:
            await asyncio.sleep(0.01)
    return reply


@sync_to_async
def answer(reply: Reply, *pieces: str) -> None:
    lease = start_reply(reply)
    write_pieces(lease, pieces)
    finish_reply(lease)


async def refused(call: AsgiCaller) -> tuple[int, dict[str, Any]]:
    await call.start()
    body = await call.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"message", "type", "param", "code"}
    assert body["error"]["message"]
    return call.status, body["error"]


# --- models -------------------------------------------------------------------------------------------


@sync_to_async
def _jobs(student: User, other: User) -> tuple[TrainingJob, TrainingJob, TrainingJob]:
    return make_completed_job(student), make_training_job(student), make_completed_job(other)


async def test_models_are_those_that_one_may_talk_to(
    student: User, other_student: User, base_model: BaseModel, bearer: dict[str, str]
) -> None:
    own, _waiting, _foreign = await _jobs(student, other_student)
    status, answer = await get("/v1/models", bearer)
    assert (status, answer["object"]) == (200, "list")
    found = {model["id"]: model for model in answer["data"]}
    enabled = [model.name async for model in BaseModel.objects.filter(is_enabled=True)]
    assert set(found) == {f"job-{own.pk}", *enabled}
    assert found[f"job-{own.pk}"]["owned_by"] == "aiko"
    assert found[f"job-{own.pk}"]["name"] == "Garden answers"
    assert all(model["object"] == "model" and model["created"] > 0 for model in found.values())
    assert await get(f"/v1/models/job-{own.pk}", bearer) == (200, found[f"job-{own.pk}"])
    assert await get(f"/v1/models/{base_model.name}", bearer) == (200, found[base_model.name])


async def test_a_foreign_model_is_answered_like_one_that_is_not_there(
    student: User, other_student: User, base_model: BaseModel, bearer: dict[str, str]
) -> None:
    _own, waiting, foreign = await _jobs(student, other_student)
    unknown = uuid4()
    answers = []
    for job_id in (foreign.pk, waiting.pk, unknown, "7", ""):
        name = f"job-{job_id}"
        for call in (
            AsgiCaller("GET", f"/v1/models/{name}", headers=bearer),
            post(body_of(base_model, model=name), bearer),
        ):
            status, error = await refused(call)
            error["message"] = error["message"].replace(name, "NAME")
            answers.append((status, error))
    assert all(item == answers[0] for item in answers)
    assert answers[0][0] == 404
    assert (answers[0][1]["code"], answers[0][1]["param"]) == ("model_not_found", "model")
    assert not await ChatSession.objects.aexists()


async def test_the_description_has_a_page_without_foreign_hosts(
    student: User, client_of: Callable[[User], Client]
) -> None:
    def look() -> tuple[str, dict[str, Any]]:
        client = client_of(student)
        page = client.get("/v1/docs").content.decode()
        return page, client.get("/v1/openapi.json").json()

    page, description = await sync_to_async(look)()
    assert 'data-openapi-url="/v1/openapi.json"' in page
    assert "//" not in page.replace("<!doctype html>", "").replace("/static/", "")
    assert set(description["paths"]) == {
        "/v1/chat/completions",
        "/v1/models",
        "/v1/models/{model}",
    }
    fields = description["components"]["schemas"]["CompletionRequest"]["properties"]
    assert fields["temperature"]["maximum"] == 2


# --- whole answers ------------------------------------------------------------------------------------


async def test_a_whole_answer(base_model: BaseModel, bearer: dict[str, str]) -> None:
    turns = [
        {"role": "system", "content": "Be short."},
        {
            "role": "user",
            "content": [{"type": "text", "text": "Hi"}, {"type": "text", "text": "!"}],
        },
        {"role": "assistant", "content": "Hello."},
        {"role": "developer", "content": "Be kind."},
        QUESTION,
    ]
    options = {"temperature": 0, "max_completion_tokens": 9, "seed": -1, "stop": "\n", "user": "u"}
    call = post(body_of(base_model, messages=turns, **options), bearer)
    reply = await stored_reply()
    await answer(reply, "水やり", " 3B.")
    await call.start()
    found = await call.json()
    assert call.status == 200
    assert found["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "水やり 3B.", "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]
    assert (found["object"], found["id"], found["model"]) == (
        "chat.completion",
        f"chatcmpl-{reply.pk}",
        base_model.name,
    )
    assert found["usage"]["total_tokens"] == 21 + 12
    assert found["system_fingerprint"].startswith(f"fp_{base_model.digest[:12]}_")
    assert reply.message.text == QUESTION["content"]
    assert reply.message.history == [
        {"role": "system", "content": "Be short.\n\nBe kind."},
        {"role": "user", "content": "Hi\n!"},
        {"role": "assistant", "content": "Hello."},
    ]
    sampling = reply.sampling
    assert (sampling["temperature"], sampling["max_tokens"], sampling["seed"]) == (0, 9, 2**32 - 1)
    assert sampling["stop"] == ["\n"]


async def test_without_a_seed_no_two_answers_are_alike(
    base_model: BaseModel, bearer: dict[str, str]
) -> None:
    calls = [post(body_of(base_model, stream=True), bearer) for _number in range(3)]
    for call in calls:
        await call.start()
    assert len({reply.sampling["seed"] async for reply in Reply.objects.all()}) == 3
    for call in calls:
        await call.hang_up()


async def test_a_programs_requests_are_not_among_a_persons_chats(
    student: User,
    client_of: Callable[[User], Client],
    base_model: BaseModel,
    bearer: dict[str, str],
) -> None:
    call = post(body_of(base_model), bearer)
    await answer(await stored_reply(), "Yes.")
    await call.start()
    listed = await sync_to_async(lambda: client_of(student).get("/api/chat/sessions").json())()
    assert listed["count"] == 0


async def test_the_tuned_model_answers_under_its_jobs_id(
    student: User, base_model: BaseModel, bearer: dict[str, str]
) -> None:
    job = await sync_to_async(make_completed_job)(student)
    call = post(body_of(base_model, model=f"job-{job.pk}"), bearer)
    reply = await stored_reply()
    await answer(reply, "Yes.")
    await call.start()
    found = await call.json()
    assert found["model"] == f"job-{job.pk}"
    assert found["system_fingerprint"].startswith(f"fp_{'0' * 12}_")
    assert await Reply.objects.filter(pk=reply.pk, answerer__job=job).aexists()


async def test_log_probabilities_come_with_as_many_alternatives_as_asked(
    base_model: BaseModel, bearer: dict[str, str]
) -> None:
    call = post(body_of(base_model, logprobs=True), bearer)
    reply = await stored_reply()
    assert reply.sampling["logprobs"] == 1
    token = {"token": "は", "logprob": -0.5, "top": [{"token": "は", "logprob": -0.5}]}

    @sync_to_async
    def work() -> None:
        lease = start_reply(reply)
        write_pieces(lease, ["は"])
        lifecycle.complete(lease, finish_reason="stop", usage={}, timings={}, logprobs=[token])

    await work()
    await call.start()
    [told] = (await call.json())["choices"][0]["logprobs"]["content"]
    assert told == {"token": "は", "logprob": -0.5, "bytes": [227, 129, 175], "top_logprobs": []}


async def test_the_same_key_gets_the_same_answer(
    base_model: BaseModel, bearer: dict[str, str]
) -> None:
    headers = bearer | {"idempotency-key": "lesson-3"}
    first = post(body_of(base_model), headers)
    reply = await stored_reply()
    await first.hang_up()
    # Who sent a key may come back for the answer, so it goes on.
    await answer(reply, "Class 3B.")
    for _number in range(2):
        again = await post(body_of(base_model), headers).start()
        assert (await again.json())["id"] == f"chatcmpl-{reply.pk}"
    assert await Reply.objects.acount() == 1


async def test_a_program_that_hangs_up_gives_its_place_back(
    base_model: BaseModel, bearer: dict[str, str]
) -> None:
    call = post(body_of(base_model), bearer)
    reply = await stored_reply()
    await call.hang_up()
    await reply.arefresh_from_db()
    assert reply.status == Reply.Status.CANCELLED


FAILURES = {
    "prompt_too_long": (400, "context_length_exceeded"),
    "adapter_unusable": (400, "adapter_unusable"),
    "out_of_memory": (503, "unavailable"),
}


async def test_a_failure_says_why(base_model: BaseModel, bearer: dict[str, str]) -> None:
    for engine_code, expected in FAILURES.items():
        call = post(body_of(base_model), bearer)
        reply = await stored_reply()
        await sync_to_async(lifecycle.fail)(await sync_to_async(start_reply)(reply), engine_code)
        status, error = await refused(call)
        assert (status, error["code"]) == expected
        await ChatSession.objects.all().adelete()


async def test_an_answer_that_somebody_stops_is_a_failure(
    base_model: BaseModel, bearer: dict[str, str]
) -> None:
    call = post(body_of(base_model), bearer)
    reply = await stored_reply()
    await sync_to_async(lifecycle.request_cancel)(reply.message.session_id)
    status, error = await refused(call)
    assert (status, error["code"], error["type"]) == (503, "answer_stopped", "server_error")
    assert call.headers["retry-after"]


async def test_a_deleted_request_is_a_failure(
    base_model: BaseModel, bearer: dict[str, str]
) -> None:
    call = post(body_of(base_model), bearer)
    await stored_reply()
    await ChatSession.objects.all().adelete()
    status, _error = await refused(call)
    assert status == 503


# --- who may ask --------------------------------------------------------------------------------------


async def test_without_a_valid_token_nobody_is_answered(base_model: BaseModel) -> None:
    for headers in ({}, {"authorization": "Bearer llm_wrong"}, {"authorization": "Basic YTpi"}):
        for call in (
            AsgiCaller("GET", "/v1/models", headers=headers),
            post(body_of(base_model), headers),
        ):
            status, error = await refused(call)
            assert (status, error["code"]) == (401, "invalid_api_key")
            assert error["type"] == "authentication_error"
            assert call.headers["www-authenticate"] == "Bearer"


async def test_a_pages_session_opens_nothing(
    student: User, client_of: Callable[[User], Client]
) -> None:
    cookies = (await sync_to_async(client_of)(student)).cookies
    cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in cookies.items())
    call = AsgiCaller("GET", "/v1/models", headers={"cookie": cookie})
    assert (await refused(call))[0] == 401


async def test_whoever_asks_too_often_is_told_when_to_come_back(
    base_model: BaseModel, bearer: dict[str, str], settings: Any
) -> None:
    settings.CHAT_MESSAGES_PER_MINUTE = 1
    first = post(body_of(base_model), bearer)
    reply = await stored_reply()
    second = post(body_of(base_model), bearer)
    status, error = await refused(second)
    assert (status, error["code"]) == (429, "rate_limit_exceeded")
    assert error["type"] == "rate_limit_error"
    assert 0 < int(second.headers["retry-after"]) <= 60
    await answer(reply, "Yes.")
    await first.start()
    assert await Reply.objects.acount() == 1


async def test_failures_are_told_in_the_callers_language(
    student: User, base_model: BaseModel, bearer: dict[str, str]
) -> None:
    _status, english = await refused(post(body_of(base_model, messages=[]), bearer))
    student.language = "ja"
    await student.asave()
    _status, japanese = await refused(post(body_of(base_model, messages=[]), bearer))
    assert english["message"] != japanese["message"]
    assert not japanese["message"].isascii()


# --- hostile requests ---------------------------------------------------------------------------------

PICTURE = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"model": None}, "model"),
    ({"model": "a" * 301}, "model"),
    ({"messages": None}, "messages"),
    ({"messages": []}, "messages"),
    ({"messages": [QUESTION] * 10_000}, "messages"),
    ({"messages": ["Hello"]}, "messages.0.role"),
    ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role"),
    ({"messages": [{"role": "user"}]}, "messages.0.content"),
    ({"messages": [{"role": "user", "content": 3}]}, "messages.0.content"),
    ({"messages": [{"role": "user", "content": " "}]}, "messages.0.content"),
    ({"messages": [{"role": "user", "content": "a" * 16_001}]}, "messages.0.content"),
    ({"messages": [{"role": "user", "content": "bell \x07"}]}, "messages.0.content"),
    ({"messages": [{"role": "user", "content": [PICTURE]}]}, "messages.0.content.0"),
    ({"messages": [{"role": "user", "content": [[["x"]]]}]}, "messages.0.content.0"),
    ({"messages": [QUESTION, {"role": "assistant", "content": "No."}]}, "messages"),
    ({"messages": [{"role": "system", "content": "Be short."}]}, "messages"),
    ({"temperature": 2.1}, "temperature"),
    ({"temperature": "0"}, "temperature"),
    ({"temperature": True}, "temperature"),
    ({"temperature": [0]}, "temperature"),
    ({"top_p": 0}, "top_p"),
    ({"top_k": -1}, "top_k"),
    ({"repetition_penalty": 3}, "repetition_penalty"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"max_tokens": 1.5}, "max_tokens"),
    ({"max_completion_tokens": 4097}, "max_completion_tokens"),
    ({"seed": "1"}, "seed"),
    ({"stop": 3}, "stop"),
    ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
    ({"stop": ["a" * 65]}, "stop"),
    ({"stop": {"a": 1}}, "stop"),
    ({"stream": "yes"}, "stream"),
    ({"stream_options": []}, "stream_options"),
    ({"stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
    ({"logprobs": 1}, "logprobs"),
    ({"logprobs": True, "top_logprobs": 6}, "top_logprobs"),
    ({"top_logprobs": 2}, "top_logprobs"),
    ({"n": 2}, "n"),
    ({"n": True}, "n"),
    ({"presence_penalty": 0.1}, "presence_penalty"),
    ({"frequency_penalty": "0"}, "frequency_penalty"),
    ({"tools": [{"type": "function"}]}, "tools"),
    ({"functions": [{}]}, "functions"),
    ({"logit_bias": {"50256": -100}}, "logit_bias"),
    ({"response_format": {"type": "json_object"}}, "response_format"),
]
"""Changes of a good request, and the field that the refusal names."""


async def test_what_can_not_be_heeded_is_refused_before_it_costs_anything(
    base_model: BaseModel, bearer: dict[str, str]
) -> None:
    found = []
    for changes, _param in REFUSED:
        status, error = await refused(post(body_of(base_model, **changes), bearer))
        found.append((status, error["type"], changes, error["param"]))
    assert found == [(400, "invalid_request_error", *case) for case in REFUSED]
    assert not await ChatSession.objects.aexists()


async def test_what_changes_nothing_is_ignored(
    base_model: BaseModel, bearer: dict[str, str]
) -> None:
    nulls = dict.fromkeys(("temperature", "stop", "seed", "tools", "stream", "n", "logprobs"))
    unknown = {"user": "a", "store": True, "metadata": {"a": "b"}, "service_tier": "auto"}
    neutral = {"presence_penalty": 0, "response_format": {"type": "text"}, "logit_bias": {}}
    call = post(body_of(base_model, **nulls, **unknown, **neutral), bearer)
    await answer(await stored_reply(), "Yes.")
    await call.start()
    assert call.status == 200


NO_JSON = [
    "NaN",
    "Infinity",
    "1e999",
    '"\\ud800"',
    '"a\\u0000b"',
    "[" * 20_000,
    '{"type": "text",',
    "\udcff",
]


async def test_what_is_no_json_is_refused(base_model: BaseModel, bearer: dict[str, str]) -> None:
    for text in NO_JSON:
        body = body_of(base_model, temperature="HERE").decode().replace('"HERE"', text)
        status, error = await refused(post(body.encode("utf-8", "surrogateescape"), bearer))
        assert (status, error["code"], text) == (400, "malformed_json", text)
    assert not await ChatSession.objects.aexists()


async def test_a_megabyte_is_refused_unread(base_model: BaseModel, bearer: dict[str, str]) -> None:
    body = body_of(base_model, messages=[{"role": "user", "content": "a" * 1_000_000}])
    status, error = await refused(post(body, bearer))
    assert (status, error["code"]) == (413, "request_too_large")
    # So it is without a token, where even less is read.
    status, _error = await refused(post(b"x" * (MAX_BODY_BYTES - 1), {}))
    assert status == 413


async def test_addresses_that_are_not_there_answer_in_the_protocols_words(
    bearer: dict[str, str],
) -> None:
    status, error = await refused(AsgiCaller("POST", "/v1/embeddings", b"{}", bearer))
    assert (status, error["code"]) == (404, "not_found")
    status, _error = await refused(AsgiCaller("GET", "/v1/chat/completions", headers=bearer))
    assert status == 405


# --- what is left -------------------------------------------------------------------------------------


async def test_answered_requests_are_purged_when_they_are_old(
    base_model: BaseModel, bearer: dict[str, str]
) -> None:
    call = post(body_of(base_model), bearer)
    reply = await stored_reply()
    await answer(reply, "Yes.")
    await call.start()
    waiting = await post(body_of(base_model, stream=True), bearer).start()
    assert await sync_to_async(purge_requests)() == 0
    await ChatSession.objects.aupdate(created_at=timezone.now() - timedelta(hours=25))
    chat = await ChatSession.objects.acreate(owner_id=(await User.objects.aget()).pk, name="Chat")
    await ChatSession.objects.filter(pk=chat.pk).aupdate(
        created_at=timezone.now() - timedelta(days=900)
    )
    assert await sync_to_async(purge_requests)() == 1
    assert not await Reply.objects.filter(pk=reply.pk).aexists()
    # One that still waits stays, and so does every chat of a person.
    assert await Reply.objects.acount() == 1
    assert await ChatSession.objects.filter(pk=chat.pk).aexists()
    await waiting.hang_up()
