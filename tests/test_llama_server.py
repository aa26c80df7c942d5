"""Chats through llama.cpp's own server: what a school's serving engine really says, and what becomes of it here."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import LazySettings

from accounts.models import User
from chat.backends import close_backends
from chat.execution.desks import Desk
from chat.models import ChatSession, Reply
from chat.services.opening import create_session
from chat.services.sending import cancel_replies, send_message
from engine.catalog import SMOLLM2
from engine.models.bundled import bundled_weights
from modelhub.chat_servers import read_chat_servers
from modelhub.services import sync_base_models
from tests.e2e.product import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]
WAIT_SECONDS = 120
GREEDY = {"temperature": 0, "max_tokens": 8}
DRAWN = {"temperature": 1.5, "max_tokens": 8}
QUESTION = "Name the colours of the rainbow, one after the other."


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    options = {"model": str(bundled_weights(SMOLLM2)), "slots": 2, "adapters": []}
    command = [sys.executable, "-m", "benchmarks.chatting.llama_server", json.dumps(options)]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["result"]
        finally:
            process.stdin.close()
            process.wait(30)


@pytest.fixture(autouse=True)
def _server(db: None, address: str, settings: LazySettings) -> None:
    entry = {"name": "llama", "url": f"{address}/v1", "models": {"large": "any"}}
    settings.CHAT_SERVERS = read_chat_servers(json.dumps([entry]))
    sync_base_models()


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk("worker")
    desk.start()
    yield desk
    desk.close(10)
    close_backends()


def ask(
    owner: User,
    sampling: dict[str, Any],
    text: str = QUESTION,
    *,
    session: ChatSession | None = None,
) -> Reply:
    session = session or create_session(owner, model_name="large")
    return send_message(session, text=text, sampling=sampling).replies.get()


def answered(desk: Desk, *replies: Reply) -> None:
    desk.wake()
    assert desk.wait_idle(WAIT_SECONDS)
    for reply in replies:
        reply.refresh_from_db()


def drawn(desk: Desk, owner: User, **sampling: Any) -> Reply:
    reply = ask(owner, GREEDY | sampling)
    answered(desk, reply)
    assert (reply.status, reply.error_code) == (Reply.Status.COMPLETED, "")
    return reply


def test_an_answer_its_tokens_and_its_length(desk: Desk, student: User) -> None:
    reply = drawn(desk, student)
    assert reply.text
    assert reply.finish_reason == "length"
    assert reply.usage["completion_tokens"] == GREEDY["max_tokens"]
    assert reply.usage["prompt_tokens"] > 8
    assert reply.timings["backend"] == "llama"


def test_an_answer_ends_before_a_stop_text(desk: Desk, student: User) -> None:
    text = drawn(desk, student).text
    stop = text[3:5]
    cut = drawn(desk, student, stop=[stop])
    assert (cut.text, cut.finish_reason) == (text[: text.index(stop)], "stop")


def test_a_seed_repeats_an_answer_and_another_does_not(desk: Desk, student: User) -> None:
    first, again, other = (drawn(desk, student, **DRAWN, seed=seed).text for seed in (7, 7, 8))
    assert first == again != other


def test_top_k_and_the_penalty_are_understood(desk: Desk, student: User) -> None:
    greedy = drawn(desk, student).text
    assert drawn(desk, student, **DRAWN, top_k=1).text == greedy
    assert drawn(desk, student, repetition_penalty=2).text != greedy


def test_probabilities(desk: Desk, student: User) -> None:
    reply = drawn(desk, student, logprobs=2)
    assert reply.logprobs is not None
    assert len(reply.logprobs) == GREEDY["max_tokens"]
    for token in reply.logprobs:
        assert len(token["top"]) == 2
        assert token["logprob"] == token["top"][0]["logprob"] <= 0


def test_two_at_once_are_each_their_own(desk: Desk, student: User, other_student: User) -> None:
    questions = [QUESTION, "What do bees make?"]
    alone = []
    for text in questions:
        reply = ask(student, GREEDY, text)
        answered(desk, reply)
        alone.append(reply.text)
    together = [
        ask(owner, GREEDY, text)
        for owner, text in zip((student, other_student), questions, strict=True)
    ]
    answered(desk, *together)
    assert [reply.text for reply in together] == alone
    assert alone[0] != alone[1]


def test_stopping_frees_the_server(desk: Desk, student: User) -> None:
    """Both its slots are taken for long, and free again a moment after both were stopped."""
    sessions = [create_session(student, model_name="large") for _slot in range(2)]
    for session in sessions:
        ask(student, {"temperature": 1, "max_tokens": 150}, session=session)
    desk.wake()
    while Reply.objects.filter(text="").exists():
        assert not desk.wait_idle(0.05)
    for session in sessions:
        cancel_replies(session)
    assert desk.wait_idle(WAIT_SECONDS)
    assert {reply.status for reply in Reply.objects.all()} == {Reply.Status.CANCELLED}
    reply = drawn(desk, student, max_tokens=1)
    assert reply.timings["duration_seconds"] < 10


def test_a_conversation_beyond_its_context_is_refused_in_words(desk: Desk, student: User) -> None:
    reply = ask(student, GREEDY, "word " * 600)
    answered(desk, reply)
    assert (reply.error_code, reply.error_params) == ("prompt_too_long", {"server": "llama"})
