"""A model of Ollama answers: the real desk, writer and rows, and a server that speaks Ollama's wire format."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from accounts.models import User
from chat import lifecycle
from chat.backends.ollama import OllamaBackend
from chat.execution.desks import Desk
from chat.models import ChatSession, Reply
from chat.sentences import failure_sentence
from chat.services.opening import create_session
from chat.services.sending import send_message
from chat.tests.factories import make_answer
from modelhub.execution import close_engine
from modelhub.ollama.syncing import sync_ollama_models
from modelhub.tests.ollama_server import (
    WAIT_SECONDS,
    Exchange,
    OllamaServer,
    chat_line,
    last_chat_line,
    running_ollama,
)

pytestmark = pytest.mark.django_db(transaction=True)
MODEL = "llama3.2:1b"
CHAT = "/api/chat"


@pytest.fixture(scope="module", autouse=True)
def _engine() -> Iterator[None]:
    yield
    close_engine()


@pytest.fixture
def ollama(settings: Any) -> Iterator[OllamaServer]:
    with running_ollama() as (server, address):
        settings.OLLAMA_URL = address
        server.add_model(MODEL)
        yield server


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk("worker")
    desk.start()
    yield desk
    desk.close(10)


@pytest.fixture
def session(student: User, ollama: OllamaServer) -> ChatSession:
    sync_ollama_models()
    return create_session(student, model_name=MODEL, settings={"system_prompt": "Be brief."})


def ask(session: ChatSession, text: str = "Who waters bed 3?", **sampling: Any) -> Reply:
    return send_message(session, text=text, sampling=sampling).replies.get()


def answered(desk: Desk, session: ChatSession, text: str = "Who?", **sampling: Any) -> Reply:
    reply = ask(session, text, **sampling)
    desk.wake()
    assert desk.wait_idle(WAIT_SECONDS)
    reply.refresh_from_db()
    return reply


def streaming(*lines: Any) -> Callable[[Exchange], None]:
    def respond(exchange: Exchange) -> None:
        exchange.begin()
        for line in lines:
            exchange.line(line)
        exchange.end()

    return respond


# --- an answer -----------------------------------------------------------------------------------


def test_a_reply_is_drawn_by_ollama(desk: Desk, session: ChatSession, ollama: OllamaServer) -> None:
    reply = answered(desk, session)
    assert (reply.status, reply.text) == (Reply.Status.COMPLETED, "Class 3B.")
    assert reply.finish_reason == "stop"
    assert reply.usage == {
        "prompt_tokens": 21, "completion_tokens": 12, "dropped_turns": 0, "cached_tokens": 0,
    }  # fmt: skip
    assert reply.timings["backend"] == "ollama"
    assert reply.timings["tokens_per_second"] == pytest.approx(12 / 0.8)
    assert 0 < reply.timings["first_token_seconds"] <= reply.timings["duration_seconds"]


def test_ollama_is_told_the_conversation_and_the_settings(
    desk: Desk, session: ChatSession, ollama: OllamaServer
) -> None:
    answered(desk, session, "Who waters bed 3?")
    sampling = {
        "temperature": 0.5, "top_p": 0.9, "top_k": 20, "repetition_penalty": 1.2, "seed": 7,
        "max_tokens": 99, "stop": ["END"], "logprobs": 2,
    }  # fmt: skip
    answered(desk, session, "And bed 4?", **sampling)
    first, second = ollama.bodies(CHAT)
    assert first["options"]["num_predict"] == 256
    assert "stop" not in first["options"]
    assert "logprobs" not in first
    assert second == {
        "model": MODEL,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Who waters bed 3?"},
            {"role": "assistant", "content": "Class 3B."},
            {"role": "user", "content": "And bed 4?"},
        ],
        "stream": True,
        "think": False,
        "truncate": False,
        "shift": False,
        "logprobs": True,
        "top_logprobs": 2,
        "options": {
            "temperature": 0.5, "top_p": 0.9, "top_k": 20, "repeat_penalty": 1.2, "repeat_last_n": -1,
            "seed": 7, "num_predict": 99, "stop": ["END"],
        },
    }  # fmt: skip


def test_what_the_model_thinks_is_no_answer(
    desk: Desk, session: ChatSession, ollama: OllamaServer
) -> None:
    thought = {"message": {"thinking": "The user wants …"}}
    ollama.respond[CHAT] = streaming(
        chat_line("", **thought), chat_line("", **thought), chat_line("Class"), last_chat_line()
    )
    assert answered(desk, session).text == "Class"


def test_a_model_that_can_not_be_told_not_to_think_is_not_told(
    desk: Desk, session: ChatSession, ollama: OllamaServer
) -> None:
    def respond(exchange: Exchange) -> None:
        if "think" in exchange.body:
            exchange.whole({"error": f'"{MODEL}" does not support thinking'}, 400)
        else:
            streaming(chat_line("Class"), last_chat_line())(exchange)

    ollama.respond[CHAT] = respond
    assert answered(desk, session).text == "Class"


def test_an_answer_that_is_cut_says_so(
    desk: Desk, session: ChatSession, ollama: OllamaServer
) -> None:
    ollama.respond[CHAT] = streaming(chat_line("Cl"), last_chat_line(done_reason="length"))
    assert answered(desk, session).finish_reason == "length"


def test_probabilities_are_kept(desk: Desk, session: ChatSession, ollama: OllamaServer) -> None:
    told = [{"token": "Cl", "logprob": -0.1, "top_logprobs": [{"token": "Cl", "logprob": -0.1}]}]
    broken = [{"token": "x", "logprob": "no", "top_logprobs": []}]
    ollama.respond[CHAT] = streaming(
        chat_line("Cl", logprobs=told), chat_line("x", logprobs=broken), last_chat_line()
    )
    reply = answered(desk, session, logprobs=1)
    assert reply.text == "Clx"
    assert reply.logprobs == [
        {"token": "Cl", "logprob": -0.1, "top": [{"token": "Cl", "logprob": -0.1}]}
    ]


def test_numbers_that_can_not_be_are_made_harmless(
    desk: Desk, session: ChatSession, ollama: OllamaServer
) -> None:
    end = last_chat_line(prompt_eval_count=10**40, eval_count=-3, eval_duration="soon")
    ollama.respond[CHAT] = streaming(chat_line("a\x00b"), {"message": ["odd"]}, end)
    reply = answered(desk, session)
    assert (reply.status, reply.text) == (Reply.Status.COMPLETED, "ab")
    assert (reply.usage["prompt_tokens"], reply.usage["completion_tokens"]) == (10**8, 0)


def test_a_prefixed_model_is_called_by_ollamas_own_name(
    desk: Desk, student: User, ollama: OllamaServer
) -> None:
    ollama.add_model("ollama/garden:latest")
    sync_ollama_models()
    session = create_session(student, model_name="ollama/ollama/garden:latest")
    assert answered(desk, session).text == "Class 3B."
    assert ollama.bodies(CHAT)[0]["model"] == "ollama/garden:latest"


# --- a conversation that is too long -------------------------------------------------------------


def conversation(session: ChatSession, turns: int) -> None:
    for number in range(turns):
        make_answer(send_message(session, text=f"Question {number}"), f"Answer {number}")


def test_the_oldest_turns_are_left_out_and_counted(
    desk: Desk, session: ChatSession, ollama: OllamaServer
) -> None:
    conversation(session, 4)

    def respond(exchange: Exchange) -> None:
        if len(exchange.body["messages"]) > 6:
            exchange.whole({"error": "the input length exceeds the context length"}, 400)
        else:
            streaming(chat_line("Class"), last_chat_line())(exchange)

    ollama.respond[CHAT] = respond
    reply = answered(desk, session, "The last question")
    assert (reply.status, reply.usage["dropped_turns"]) == (Reply.Status.COMPLETED, 4)
    told = [turn["content"] for turn in ollama.bodies(CHAT)[-1]["messages"]]
    assert told == [
        "Be brief.", "Question 2", "Answer 2", "Question 3", "Answer 3", "The last question",
    ]  # fmt: skip


def test_a_message_that_is_too_long_alone_is_refused(
    desk: Desk, session: ChatSession, ollama: OllamaServer
) -> None:
    conversation(session, 3)
    ollama.respond[CHAT] = lambda exchange: exchange.whole(
        {"error": "the input length exceeds the context length"}, 400
    )
    reply = answered(desk, session)
    assert (reply.status, reply.error_code) == (Reply.Status.FAILED, "prompt_too_long")
    assert [len(body["messages"]) for body in ollama.bodies(CHAT)] == [8, 6, 4, 2]


# --- failures ------------------------------------------------------------------------------------


HALF = chat_line("Half")


def dying(exchange: Exchange) -> None:
    exchange.begin()
    exchange.line(HALF)
    exchange.break_off()


@pytest.mark.parametrize(
    ("respond", "code"),
    [
        (lambda exchange: exchange.whole({"error": f"model '{MODEL}' not found"}, 404), "server_no_model"),
        (lambda exchange: exchange.whole(b"<h1>Not found</h1>", 404, "text/html"), "server_garbled"),
        (lambda exchange: exchange.whole(b"<!doctype html>", 200, "text/html"), "server_garbled"),
        (lambda exchange: exchange.whole({"error": "server busy"}, 503), "server_busy"),
        (lambda exchange: exchange.whole({"error": "invalid option"}, 400), "server_refused"),
        (lambda exchange: exchange.whole({"error": "unauthorized"}, 401), "server_key"),
        (lambda exchange: exchange.whole({"error": "llama runner has terminated"}, 500), "server_failed"),
        (streaming(HALF, {"error": "an error was encountered"}), "server_failed"),
        (streaming(HALF, {"error": "context length exceeded"}), "server_failed"),
        (streaming(HALF), "server_broke_off"),
        (dying, "server_broke_off"),
        (streaming(HALF, ["no object"]), "server_garbled"),
        (streaming(HALF, chat_line("x" * 1024 * 1024 * 2)), "server_garbled"),
    ],
)  # fmt: skip
def test_each_failure_is_told_and_the_text_so_far_stays(
    desk: Desk,
    session: ChatSession,
    ollama: OllamaServer,
    respond: Callable[[Exchange], None],
    code: str,
) -> None:
    ollama.respond[CHAT] = respond
    reply = answered(desk, session)
    assert (reply.status, reply.error_code) == (Reply.Status.FAILED, code)
    assert "Ollama" in failure_sentence(reply)
    assert reply.text in ("", "Half")


def test_an_ollama_that_is_away_is_told(desk: Desk, session: ChatSession, settings: Any) -> None:
    settings.OLLAMA_URL = "http://127.0.0.1:9"
    assert answered(desk, session).error_code == "server_unreachable"


def test_a_worker_without_ollama_says_so(desk: Desk, session: ChatSession, settings: Any) -> None:
    settings.OLLAMA_URL = ""
    assert answered(desk, session).error_code == "server_unknown"


def test_silence_ends_by_itself(
    desk: Desk, session: ChatSession, ollama: OllamaServer, settings: Any
) -> None:
    settings.CHAT_SERVER_SILENCE_SECONDS = 0.1

    def respond(exchange: Exchange) -> None:
        exchange.begin()
        exchange.line(HALF)
        exchange.wait_hung_up()

    ollama.respond[CHAT] = respond
    reply = answered(desk, session)
    assert (reply.error_code, reply.text) == ("server_silent", "Half")


def test_a_given_answer_can_not_be_scored(session: ChatSession) -> None:
    reply = ask(session)
    reply.scored_text = "Class 3B."
    event = OllamaBackend().submit(reply, "work").next(timeout=0)
    assert event is not None
    assert (event["type"], event["code"]) == ("failed", "not_scored")


# --- stopping ------------------------------------------------------------------------------------


def test_a_stopped_reply_lets_go_of_ollama_and_keeps_its_text(
    desk: Desk, session: ChatSession, ollama: OllamaServer
) -> None:
    hung_up = threading.Event()

    def respond(exchange: Exchange) -> None:
        exchange.begin()
        exchange.line(HALF)
        if exchange.wait_hung_up():
            hung_up.set()

    ollama.respond[CHAT] = respond
    reply = ask(session)
    desk.wake()
    while not reply.text:
        threading.Event().wait(0.02)
        reply.refresh_from_db()
    lifecycle.request_cancel(session.pk)
    assert hung_up.wait(WAIT_SECONDS)
    assert desk.wait_idle(WAIT_SECONDS)
    reply.refresh_from_db()
    assert (reply.status, reply.text) == (Reply.Status.CANCELLED, "Half")


def test_a_basic_sign_in_is_sent(
    desk: Desk, session: ChatSession, ollama: OllamaServer, settings: Any
) -> None:
    sent = []

    def respond(exchange: Exchange) -> None:
        sent.append(exchange.headers["Authorization"])
        streaming(chat_line("Class"), last_chat_line())(exchange)

    ollama.respond[CHAT] = respond
    settings.OLLAMA_URL = settings.OLLAMA_URL.replace("http://", "http://aiko:secret@")
    assert answered(desk, session).text == "Class"
    assert sent == ["Basic YWlrbzpzZWNyZXQ="]
