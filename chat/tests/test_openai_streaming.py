"""Streamed answers: every character once, whatever becomes of the events, and a place that is given back."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from accounts.models import User
from chat import lifecycle
from chat.lifecycle import Lease
from chat.models import ChatSession, Reply
from chat.openai_api import following, streaming
from chat.tests.asgi_caller import AsgiCaller, read_event
from chat.tests.factories import finish_reply, start_reply, write_pieces
from chat.tests.test_openai_api import QUESTION, bearer_of, stored_reply
from modelhub.models import BaseModel
from training.tests.factories import make_base_model

pytestmark = pytest.mark.django_db(transaction=True)
NO_REDIS = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {"hosts": ["unix:///nowhere/redis.sock"]},
    }
}
TEXT = ["水やり", "は", " class 3B", " 👩‍🌾", "\n", "。"]


@pytest.fixture
def base_model(student: User) -> BaseModel:
    return make_base_model()


@pytest.fixture
def bearer(student: User) -> dict[str, str]:
    return bearer_of(student)


async def stream(base_model: BaseModel, bearer: dict[str, str], **changes: Any) -> AsgiCaller:
    body = {"model": base_model.name, "messages": [QUESTION], "stream": True} | changes
    call = AsgiCaller("POST", "/v1/chat/completions", json.dumps(body).encode(), bearer)
    return await call.start()


async def started(reply: Reply) -> Lease:
    return await sync_to_async(start_reply)(reply)


async def write(lease: Lease, *pieces: str, offset: int = 0) -> None:
    await sync_to_async(write_pieces)(lease, pieces, offset=offset)


async def finish(lease: Lease) -> None:
    await sync_to_async(finish_reply)(lease)


def text_of(events: list[Any]) -> str:
    deltas = [choice["delta"] for event in events[:-1] for choice in event["choices"]]
    return "".join(delta.get("content", "") for delta in deltas)


async def test_a_stream_is_the_role_then_the_text_then_the_end(
    base_model: BaseModel, bearer: dict[str, str]
) -> None:
    call = await stream(base_model, bearer, stream_options={"include_usage": True})
    assert call.status == 200
    assert call.headers["content-type"] == "text/event-stream"
    assert call.headers["cache-control"] == "no-cache"
    reply = await stored_reply()
    lease = await started(reply)
    await write(lease, *TEXT)
    await finish(lease)
    events = await call.events()
    assert events[-1] == "[DONE]"
    first, *middle, last, usage = events[:-1]
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert text_of(events) == "".join(TEXT)
    assert all(chunk["choices"][0]["finish_reason"] is None for chunk in (first, *middle))
    assert last["choices"][0] == {
        "index": 0,
        "delta": {},
        "logprobs": None,
        "finish_reason": "stop",
    }
    assert (usage["choices"], usage["usage"]["completion_tokens"]) == ([], 12)
    for chunk in events[:-1]:
        assert chunk["object"] == "chat.completion.chunk"
        assert (chunk["id"], chunk["model"]) == (f"chatcmpl-{reply.pk}", base_model.name)
        assert chunk["usage"] is None or chunk is usage


async def test_text_comes_as_it_is_written(base_model: BaseModel, bearer: dict[str, str]) -> None:
    call = await stream(base_model, bearer)
    pieces = call.pieces()
    await anext(pieces)
    lease = await started(await stored_reply())
    offset = 0
    for piece in TEXT:
        await write(lease, piece, offset=offset)
        offset += len(piece)
        assert text_of([read_event(await anext(pieces)), "[DONE]"]) == piece
    await finish(lease)
    assert [read_event(line) async for line in pieces][-1] == "[DONE]"


async def test_what_was_written_without_an_event_is_not_lost(
    base_model: BaseModel, bearer: dict[str, str]
) -> None:
    call = await stream(base_model, bearer)
    reply = await stored_reply()
    lease = await started(reply)
    await write(lease, "水")
    # The event of this piece never came: the next one does not join on.
    await Reply.objects.filter(pk=reply.pk).aupdate(text="水やりは")
    await write(lease, " 3B", offset=4)
    # This one came twice, and late.
    await sync_to_async(lifecycle.publish_events)(
        [
            (
                reply.message.session_id,
                {
                    "type": "text",
                    "seq": 9,
                    "reply_id": str(reply.pk),
                    "offset": 2,
                    "text": "りは 3",
                },
            )
        ]
    )
    await finish(lease)
    assert text_of(await call.events()) == "水やりは 3B"


async def test_the_row_tells_what_no_event_does(
    base_model: BaseModel, bearer: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.02)
    call = await stream(base_model, bearer)
    reply = await stored_reply()
    await started(reply)
    finished = {"status": Reply.Status.COMPLETED, "finish_reason": "length"}
    await Reply.objects.filter(pk=reply.pk).aupdate(text="水やり", **finished)
    events = await call.events()
    assert text_of(events) == "水やり"
    assert events[-2]["choices"][0]["finish_reason"] == "length"


async def test_without_redis_the_row_is_asked(
    base_model: BaseModel, bearer: dict[str, str], settings: Any
) -> None:
    settings.CHANNEL_LAYERS = NO_REDIS
    call = await stream(base_model, bearer)
    pieces = call.pieces()
    await anext(pieces)
    lease = await started(await stored_reply())
    await write(lease, "水や")
    assert text_of([read_event(await anext(pieces)), "[DONE]"]) == "水や"
    await write(lease, "り", offset=2)
    await finish(lease)
    rest = [read_event(line) async for line in pieces]
    assert text_of(rest) == "り"


async def test_through_a_real_redis_one_stream_after_the_other(
    base_model: BaseModel, bearer: dict[str, str], redis_server: str
) -> None:
    # Now and then a message comes just as the stream leaves its group, and Redis's layer forgets that it was left.
    for _number in range(12):
        call = await stream(base_model, bearer)
        lease = await started(await stored_reply())
        await write(lease, *TEXT)
        await finish(lease)
        assert text_of(await call.events()) == "".join(TEXT)
        await ChatSession.objects.all().adelete()


async def test_many_streams_at_once_do_not_mix(
    base_model: BaseModel, bearer: dict[str, str], settings: Any
) -> None:
    settings.CHAT_WAITING_PER_OWNER = 20
    calls: dict[str, AsgiCaller] = {}
    for number in range(20):
        question = {"role": "user", "content": f"Question {number}"}
        calls[question["content"]] = await stream(base_model, bearer, messages=[question])
    replies = [reply async for reply in Reply.objects.select_related("message")]
    assert len(replies) == 20
    readers = {name: asyncio.create_task(call.events()) for name, call in calls.items()}
    leases = {reply.message.text: await started(reply) for reply in replies}
    for piece in range(3):
        for name, lease in leases.items():
            text = f"{name}, "
            await write(lease, text, offset=piece * len(text))
    for lease in leases.values():
        await finish(lease)
    for name, reader in readers.items():
        assert text_of(await reader) == f"{name}, " * 3


async def test_a_long_wait_is_kept_alive(
    base_model: BaseModel, bearer: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "KEEP_ALIVE_SECONDS", 0.02)
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.02)
    call = await stream(base_model, bearer)
    pieces = call.pieces()
    assert read_event(await anext(pieces))["choices"]
    assert await anext(pieces) == await anext(pieces) == ": keep-alive\n\n"
    await call.hang_up()


@pytest.mark.parametrize("is_running", [False, True])
async def test_a_reader_who_leaves_gives_the_place_back(
    base_model: BaseModel, bearer: dict[str, str], is_running: bool
) -> None:
    call = await stream(base_model, bearer)
    reply = await stored_reply()
    if is_running:
        await write(await started(reply), "水")
    await call.hang_up()
    await reply.arefresh_from_db()
    if is_running:
        assert reply.is_cancel_requested
    else:
        assert reply.status == Reply.Status.CANCELLED


async def test_a_reader_who_stays_stops_nothing(
    base_model: BaseModel, bearer: dict[str, str]
) -> None:
    call = await stream(base_model, bearer)
    reply = await stored_reply()
    lease = await started(reply)
    await finish(lease)
    await call.events()
    await reply.arefresh_from_db()
    assert (reply.status, reply.is_cancel_requested) == (Reply.Status.COMPLETED, False)


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (lambda lease: lifecycle.fail(lease, "prompt_too_long"), "context_length_exceeded"),
        (lambda lease: lifecycle.fail(lease, "engine_died"), "unavailable"),
        (lifecycle.finish_cancelled, "answer_stopped"),
        (lambda lease: ChatSession.objects.all().delete(), "unavailable"),
    ],
)
async def test_a_stream_that_fails_ends_with_the_failure(
    base_model: BaseModel, bearer: dict[str, str], end: Any, code: str
) -> None:
    call = await stream(base_model, bearer)
    lease = await started(await stored_reply())
    await write(lease, "水")
    await sync_to_async(end)(lease)
    *_told, last = await call.events()
    assert (last["error"]["code"], set(last)) == (code, {"error"})
    assert last["error"]["message"]


async def test_a_failure_is_told_in_the_readers_language(
    student: User, base_model: BaseModel, bearer: dict[str, str]
) -> None:
    student.language = "ja"
    await student.asave()
    call = await stream(base_model, bearer)
    lease = await started(await stored_reply())
    await sync_to_async(lifecycle.fail)(lease, "prompt_too_long")
    assert not (await call.events())[-1]["error"]["message"].isascii()


async def test_without_a_worker_the_request_is_withdrawn(
    base_model: BaseModel, bearer: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(following, "MAX_WAIT_FOR_WORKER_SECONDS", 0.05)
    call = await stream(base_model, bearer)
    reply = await stored_reply()
    events = await call.events()
    assert "worker" in events[-1]["error"]["message"]
    await reply.arefresh_from_db()
    assert reply.status == Reply.Status.CANCELLED


async def test_log_probabilities_are_streamed(
    base_model: BaseModel, bearer: dict[str, str]
) -> None:
    call = await stream(base_model, bearer, logprobs=True, top_logprobs=2)
    lease = await started(await stored_reply())
    await write(lease, "は")
    token = {"token": "は", "logprob": -0.5, "top": [{"token": "は", "logprob": -0.5}]}
    await sync_to_async(lifecycle.complete)(
        lease, finish_reason="stop", usage={}, timings={}, logprobs=[token]
    )
    events = await call.events()
    assert text_of(events) == "は"
    told = [event["choices"][0]["logprobs"] for event in events[:-1]]
    [tokens] = [logprobs["content"] for logprobs in told if logprobs]
    assert [token["token"] for token in tokens] == ["は"]
    assert len(tokens[0]["top_logprobs"]) == 1
