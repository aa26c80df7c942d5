"""Replies that another server draws, over the wire: what it is asked, what becomes of its words, and its failures."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import LazySettings

from accounts.models import User
from chat.backends.base import Event, Stream
from chat.backends.openai import OpenAiBackend
from chat.models import Reply
from chat.sentences import error_sentence
from chat.tests.factories import make_base_session, make_message, reply_of
from chat.tests.remote_server import (
    CHAT,
    USAGE_CHUNK,
    Exchange,
    RemoteService,
    answer_hello,
    closed_port,
    end_chunk,
    remote_service,
    text_chunk,
)
from engine.catalog import DEFAULT_BASE_MODEL
from modelhub.chat_servers import ChatServer, read_chat_servers

pytestmark = pytest.mark.django_db
WAIT_SECONDS = 30
KEY = "sk-very-secret"


@pytest.fixture
def service() -> Iterator[RemoteService]:
    with remote_service() as service:
        yield service


@pytest.fixture
def server(service: RemoteService) -> ChatServer:
    return make_server(service.url)


def make_server(url: str, **changes: Any) -> ChatServer:
    entry = {"name": "gpu", "url": url, "models": {DEFAULT_BASE_MODEL: "org/small"}} | changes
    return read_chat_servers(json.dumps([entry]), storage_path="/media")[0]


@pytest.fixture
def reply(student: User) -> Reply:
    return make_reply(student)


def make_reply(student: User, **sampling: Any) -> Reply:
    session = make_base_session(student, settings={"system_prompt": "Be brief."})
    return reply_of(make_message(session, "Who?", **sampling))


def events_of(stream: Stream) -> list[Event]:
    """All of them, without what every event repeats."""
    events = []
    while not events or events[-1]["type"] == "text":
        event = stream.next(timeout=WAIT_SECONDS)
        assert event is not None
        assert event.pop("work_id", "work") == "work"
        events.append(event)
    return events


def answer(server: ChatServer, reply: Reply) -> list[Event]:
    return events_of(OpenAiBackend(server).submit(reply, "work"))


def failure(server: ChatServer, reply: Reply) -> Event:
    event = answer(server, reply)[-1]
    assert event["type"] == "failed"
    return event


# --- what is asked, and what comes ----------------------------------------------------------------------


def test_an_answer_is_told_as_the_engine_tells_of_its_own(server: ChatServer, reply: Reply) -> None:
    *texts, end = answer(server, reply)
    assert [event["text"] for event in texts] == ["Hel", "lo."]
    assert (end["type"], end["finish_reason"]) == ("finished", "stop")
    assert end["usage"] == {
        "prompt_tokens": 9,
        "completion_tokens": 3,
        "cached_tokens": 4,
        "dropped_turns": 0,
    }
    timings = end["timings"]
    assert timings["backend"] == "gpu"
    assert 0 < timings["first_token_seconds"] <= timings["duration_seconds"]
    assert timings["tokens_per_second"] == 3 / timings["duration_seconds"]


def test_the_conversation_and_every_setting_are_sent(
    server: ChatServer, service: RemoteService, student: User
) -> None:
    sampling = {"temperature": 1.5, "top_p": 0.9, "max_tokens": 7, "seed": 5, "logprobs": 2}
    reply = make_reply(student, **sampling, top_k=9, repetition_penalty=1.2, stop=["\n"])
    answer(server, reply)
    ((_path, body, headers),) = service.asked
    assert body["model"] == "org/small"
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Who?"},
    ]
    assert body["stream"] is True
    assert [body[name] for name in ("temperature", "top_p", "max_tokens", "seed", "stop")] == [
        1.5,
        0.9,
        7,
        5,
        ["\n"],
    ]
    assert (body["logprobs"], body["top_logprobs"]) == (True, 2)
    assert (body["top_k"], body["repetition_penalty"], body["repeat_penalty"]) == (9, 1.2, 1.2)
    assert "Authorization" not in headers


def test_settings_that_change_nothing_are_told_too(
    server: ChatServer, service: RemoteService, reply: Reply
) -> None:
    """Servers have defaults of their own, such as the forty likeliest tokens."""
    answer(server, reply)
    (body,) = service.bodies(CHAT)
    assert (body["top_k"], body["min_p"], body["repetition_penalty"]) == (0, 0, 1)
    assert not {"stop", "logprobs", "repeat_penalty"} & body.keys()


def test_probabilities_come_in_our_shape(
    server: ChatServer, service: RemoteService, student: User
) -> None:
    def say(exchange: Exchange) -> None:
        exchange.begin()
        top = [{"token": "A", "logprob": -0.5}, {"token": "B", "logprob": -1}]
        told = {"content": [{"token": "A", "logprob": -0.5, "bytes": [65], "top_logprobs": top}]}
        impossible = '{"token": "C", "logprob": -Infinity, "top_logprobs": []}'
        exchange.tell(text_chunk("A", logprobs=told))
        exchange.tell(
            json.dumps(text_chunk("C", logprobs={"content": [0]})).replace("[0]", f"[{impossible}]")
        )
        exchange.tell(end_chunk(), "[DONE]")

    service.say[CHAT] = say
    first, second, _end = answer(server, make_reply(student, logprobs=2))
    alternatives = [{"token": "A", "logprob": -0.5}, {"token": "B", "logprob": -1.0}]
    assert first["logprobs"] == [{"token": "A", "logprob": -0.5, "top": alternatives}]
    assert second["logprobs"] == [{"token": "C", "logprob": -9999.0, "top": []}]


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (b'data:{"choices":[{"delta":{"content":"\xe8\x8a\xb1"}}]}\r\n\r\n', "花"),
        (b": still there\n\nevent: message\nid: 1\ndata: {}\n\n", ""),
        (b'data: {"choices":\ndata: [{"delta":{"content":"two lines"}}]}\n\n', "two lines"),
        (b'data: {"choices":[{"delta":{"content":null,"reasoning_content":"hm"}}]}\n\n', ""),
        (b'data: {"choices":[{"delta":{"content":"\\ud83c\\udf38 \\ud83c"}}]}\n\n', "🌸 \ufffd"),
    ],
)
def test_streams_as_servers_write_them(
    written: bytes, text: str, server: ChatServer, service: RemoteService, reply: Reply
) -> None:
    def say(exchange: Exchange) -> None:
        exchange.begin()
        for number in range(len(written)):
            exchange.write(written[number : number + 1])
        exchange.tell(end_chunk("length"), "[DONE]")

    service.say[CHAT] = say
    *texts, end = answer(server, reply)
    assert "".join(event["text"] for event in texts) == text
    assert end["finish_reason"] == "length"


def test_an_answer_whose_end_was_told_is_whole_without_the_closing_word(
    server: ChatServer, service: RemoteService, reply: Reply
) -> None:
    def say(exchange: Exchange) -> None:
        exchange.begin()
        exchange.tell(text_chunk("Hello."), end_chunk(), USAGE_CHUNK)

    service.say[CHAT] = say
    assert answer(server, reply)[-1]["type"] == "finished"


def test_a_strict_server_is_asked_again_without_what_it_does_not_know(
    server: ChatServer, service: RemoteService, student: User
) -> None:
    def say(exchange: Exchange) -> None:
        if "top_k" in exchange.json:
            exchange.refuse(400, {"error": {"message": "Unrecognized argument: top_k"}})
        else:
            answer_hello(exchange)

    service.say[CHAT] = say
    backend = OpenAiBackend(server)
    for _message in range(2):
        assert events_of(backend.submit(make_reply(student), "work"))[-1]["type"] == "finished"
    assert ["top_k" in body for body in service.bodies(CHAT)] == [True, False, False]
    # What the person asked for is not left out in silence.
    end = events_of(backend.submit(make_reply(student, top_k=5), "work"))[-1]
    assert end["code"] == "server_settings"


# --- cancelling -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_begun", [True, False])
def test_cancelling_ends_the_answer_and_frees_the_server(
    is_begun: bool, server: ChatServer, service: RemoteService, reply: Reply
) -> None:
    is_asked = threading.Event()

    def say(exchange: Exchange) -> None:
        if is_begun:
            exchange.begin()
            exchange.tell(text_chunk("On and on"))
        is_asked.set()
        exchange.wait_left()

    service.say[CHAT] = say
    stream = OpenAiBackend(server).submit(reply, "work")
    assert is_asked.wait(WAIT_SECONDS)
    if is_begun:
        assert stream.next(timeout=WAIT_SECONDS)["text"] == "On and on"
    stream.cancel()
    assert stream.next(timeout=0) == {"type": "cancelled", "work_id": "work"}
    assert service.left.wait(WAIT_SECONDS)
    assert stream.next(timeout=0) is None


def test_closing_a_back_end_leaves_nothing_behind(
    server: ChatServer, service: RemoteService, reply: Reply
) -> None:
    is_asked = threading.Event()

    def say(exchange: Exchange) -> None:
        is_asked.set()
        exchange.wait_left()

    service.say[CHAT] = say
    backend = OpenAiBackend(server)
    backend.submit(reply, "work")
    assert is_asked.wait(WAIT_SECONDS)
    backend.close()
    assert service.left.wait(WAIT_SECONDS)


# --- failures -------------------------------------------------------------------------------------------


def refusing(status: int, body: Any = "") -> Callable[[Exchange], None]:
    return lambda exchange: exchange.refuse(status, body)


def saying(text: str | bytes, kind: str = "text/event-stream") -> Callable[[Exchange], None]:
    def say(exchange: Exchange) -> None:
        exchange.begin(kind=kind)
        exchange.write(text)

    return say


def reset(exchange: Exchange) -> None:
    exchange.connection.close()


HELLO = f"data: {json.dumps(text_chunk('Hello'))}\n\n"
VLLM_TOO_LONG = {
    "error": {"message": "This model's maximum context length is 2048 tokens.", "code": 400}
}
LLAMA_TOO_LONG = {
    "error": {"code": 400, "message": "request is too large", "type": "exceed_context_size_error"}
}


@pytest.mark.parametrize(
    ("say", "code"),
    [
        (refusing(401, {"error": {"message": f"Incorrect API key: {KEY}"}}), "server_key"),
        (refusing(403), "server_key"),
        (refusing(404, {"error": {"message": "The model does not exist."}}), "server_no_model"),
        (refusing(429, {"error": "slow down"}), "server_busy"),
        (refusing(503, {"error": {"message": "Loading model"}}), "server_busy"),
        (refusing(500, "<html>oops"), "server_failed"),
        (refusing(422, {"detail": [{"msg": "no"}]}), "server_refused"),
        (refusing(400, VLLM_TOO_LONG), "prompt_too_long"),
        (refusing(400, LLAMA_TOO_LONG), "prompt_too_long"),
        (refusing(302), "server_garbled"),
        (saying("<html><body>Welcome</body></html>\n", "text/html"), "server_garbled"),
        (saying("data: {not json\n\n"), "server_garbled"),
        (saying("data: []\n\n"), "server_garbled"),
        (saying('data: {"choices": [7]}\n\n'), "server_garbled"),
        (saying(b'data: {"choices": "\xff"}\n\n'), "server_garbled"),
        (saying('data: {"usage": ' + "9" * 5000 + "}\n\n"), "server_garbled"),
        (saying("data: " + "[" * 50_000 + "\n\n"), "server_garbled"),
        (saying(HELLO + "data: " + "x" * 2_000_000), "server_garbled"),
        (saying((HELLO[:-1] + " \n") * 3 + "data: " + "y\ndata: " * 600_000), "server_garbled"),
        (saying(""), "server_garbled"),
        (saying(HELLO), "server_broke_off"),
        (
            saying(HELLO + 'data: {"error": {"message": "CUDA error", "code": 500}}\n\n'),
            "server_failed",
        ),
        (saying(HELLO + 'data: {"error": "maximum context length is 9"}\n\n'), "prompt_too_long"),
        (reset, "server_broke_off"),
    ],
)
def test_every_failure_has_its_code_and_its_sentence(
    say: Callable[[Exchange], None],
    code: str,
    service: RemoteService,
    student: User,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("GPU_KEY", KEY)
    service.say[CHAT] = say
    with caplog.at_level(logging.DEBUG):
        event = failure(make_server(service.url, api_key_env="GPU_KEY"), make_reply(student))
    assert (event["code"], event["params"]) == (code, {"server": "gpu"})
    sentence = error_sentence(event["code"], event["params"])
    assert "“gpu”" in sentence
    assert len(event["detail"]) <= 300
    assert KEY not in event["detail"] + caplog.text
    ((_path, _body, headers),) = service.asked
    assert headers["Authorization"] == f"Bearer {KEY}"


def test_text_before_a_failure_is_kept(
    server: ChatServer, service: RemoteService, reply: Reply
) -> None:
    service.say[CHAT] = saying(HELLO)
    assert [event["type"] for event in answer(server, reply)] == ["text", "failed"]


def test_nobody_there(reply: Reply) -> None:
    event = failure(make_server(f"http://127.0.0.1:{closed_port()}/v1"), reply)
    assert event["code"] == "server_unreachable"


@pytest.mark.parametrize("drips", ["", ": still there\n\n"])
@pytest.mark.parametrize("is_begun", [True, False])
def test_endless_silence_is_given_up(
    is_begun: bool,
    drips: str,
    server: ChatServer,
    service: RemoteService,
    reply: Reply,
    settings: LazySettings,
) -> None:
    """Comments that only keep the connection open are silence too."""
    settings.CHAT_SERVER_SILENCE_SECONDS = 0.2
    is_over = threading.Event()

    def say(exchange: Exchange) -> None:
        if is_begun:
            exchange.begin()
            while drips and not is_over.wait(0.02):
                exchange.write(drips)
        exchange.wait_left()

    service.say[CHAT] = say
    event = failure(server, reply)
    is_over.set()
    assert event["code"] == "server_silent"


@pytest.mark.parametrize("key", ["", "two\nlines", "schlüssel"])
def test_a_key_that_can_not_be_sent_is_told_before_anything_is(
    key: str, service: RemoteService, reply: Reply, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPU_KEY", key)
    event = failure(make_server(service.url, api_key_env="GPU_KEY"), reply)
    assert event["code"] == "server_key"
    assert service.asked == []


def test_a_given_answer_can_not_be_measured(
    server: ChatServer, service: RemoteService, reply: Reply
) -> None:
    reply.scored_text = "Class 3B."
    event = failure(server, reply)
    assert event["code"] == "not_scored"
    assert error_sentence(event["code"], event["params"])
    assert service.asked == []
