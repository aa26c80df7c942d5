"""How Ollama is spoken to: whatever answers in its place, a request ends in time and says why."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from common.remote import Patience
from modelhub.ollama import wire
from modelhub.ollama.address import ollama_address
from modelhub.ollama.errors import OllamaError
from modelhub.ollama.health import ollama_health
from modelhub.ollama.values import plain_text, whole_number
from modelhub.ollama.wire import OllamaCall, fetch
from modelhub.tests.ollama_server import VERSION, Exchange, OllamaServer

LINES = "/api/lines"


def call_of(first_seconds: float = 10, silence_seconds: float = 10) -> OllamaCall:
    return OllamaCall("POST", LINES, {}, Patience(first_seconds, silence_seconds))


def lines(first_seconds: float = 10, silence_seconds: float = 10) -> list[dict[str, Any]]:
    return list(call_of(first_seconds, silence_seconds).lines())


def reason(**limits: float) -> str:
    with pytest.raises(OllamaError) as failure:
        lines(**limits)
    return failure.value.reason


def test_lines_come_whole_however_they_are_cut(ollama: OllamaServer) -> None:
    def respond(exchange: Exchange) -> None:
        exchange.begin()
        for piece in (b'{"a"', b": 1}\n\n", b'{"b": "\xe6', b'\xb0\xb4"}\n{"c"', b": 3}"):
            exchange.raw(piece)
        exchange.end()

    ollama.respond[LINES] = respond
    assert lines() == [{"a": 1}, {"b": "水"}, {"c": 3}]


def test_a_failure_in_the_middle_is_told(ollama: OllamaServer) -> None:
    def respond(exchange: Exchange) -> None:
        exchange.begin()
        exchange.line({"message": "half"})
        exchange.line({"error": "an error was encountered while running the model"})
        exchange.end()

    ollama.respond[LINES] = respond
    call = call_of()
    found = call.lines()
    assert next(found) == {"message": "half"}
    with pytest.raises(OllamaError, match="while running the model") as failure:
        next(found)
    assert failure.value.reason == "server_error"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"<!doctype html><title>Router</title>", "not_ollama"),
        (b"[1, 2]", "not_ollama"),
        (b'{"a": ', "not_ollama"),
        (b'{"a": "\xff"}', "not_ollama"),
        (b"[" * 100_000, "not_ollama"),
        (b'{"a": ' + b"9" * 10_000 + b"}", "not_ollama"),
        (b'{"a": "' + b"x" * 1024 * 1024 + b'"}', "line_too_long"),
    ],
    ids=["html", "list", "cut", "no-unicode", "deep", "huge-number", "long-line"],
)
def test_what_is_no_ollama_is_recognised(ollama: OllamaServer, body: bytes, expected: str) -> None:
    ollama.respond[LINES] = lambda exchange: exchange.whole(body, kind="text/html")
    assert reason() == expected


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (404, {"error": "model 'x' not found"}, "unknown_model"),
        (404, b"404 page not found", "not_ollama"),
        (400, {"error": "invalid options"}, "refused"),
        (401, {"error": "unauthorized"}, "not_allowed"),
        (403, b"", "not_allowed"),
        (429, b"", "busy"),
        (503, {"error": "server busy, please try again"}, "busy"),
        (500, {"error": "llama runner process has terminated"}, "server_error"),
        (502, b"<html>", "server_error"),
        (301, b"", "not_ollama"),
        (204, b"", "not_ollama"),
    ],
)
def test_each_status_has_its_reason(
    ollama: OllamaServer, status: int, body: Any, expected: str
) -> None:
    ollama.respond[LINES] = lambda exchange: exchange.whole(body, status)
    assert reason() == expected


def test_a_server_that_dies_in_the_middle_is_noticed(ollama: OllamaServer) -> None:
    def respond(exchange: Exchange) -> None:
        exchange.begin()
        exchange.line({"a": 1})
        exchange.break_off()

    ollama.respond[LINES] = respond
    assert reason() == "cut_off"


def test_silence_ends_by_itself(ollama: OllamaServer) -> None:
    hung_up = threading.Event()

    def respond(exchange: Exchange) -> None:
        exchange.begin()
        exchange.line({"a": 1})
        if exchange.wait_hung_up():
            hung_up.set()

    ollama.respond[LINES] = respond
    assert reason(silence_seconds=0.05) == "silent"
    assert hung_up.wait(10)


def test_bytes_that_drip_in_are_silence_too(ollama: OllamaServer) -> None:
    def respond(exchange: Exchange) -> None:
        exchange.begin()
        for _ in range(1000):
            exchange.raw(b" ")
            threading.Event().wait(0.01)

    ollama.respond[LINES] = respond
    assert reason(first_seconds=0.1) == "silent"


def test_any_thread_ends_a_request_at_once(ollama: OllamaServer) -> None:
    hung_up = threading.Event()

    def respond(exchange: Exchange) -> None:
        exchange.begin()
        exchange.line({"a": 1})
        if exchange.wait_hung_up():
            hung_up.set()

    ollama.respond[LINES] = respond
    call = call_of()
    found = call.lines()
    assert next(found) == {"a": 1}
    threading.Timer(0.05, call.close).start()
    with pytest.raises(OllamaError, match="cut_off"):
        next(found)
    assert hung_up.wait(10)


def test_a_request_that_was_ended_before_it_began_sends_nothing(ollama: OllamaServer) -> None:
    call = call_of()
    call.close()
    with pytest.raises(OllamaError, match="cut_off"):
        next(call.lines())
    assert ollama.requests == []


def test_a_whole_answer_has_a_limit(ollama: OllamaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MAX_BODY_BYTES", 1000)
    ollama.respond[LINES] = lambda exchange: exchange.whole({"a": "x" * 2000})
    with pytest.raises(OllamaError, match="line_too_long"):
        fetch("GET", LINES, seconds=10)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (3, 3), (2.7, 2), (-1, 0), (True, 0), ("3", 0), (None, 0), (10**30, 2**63 - 1),
        (float("nan"), 0), (float("inf"), 0), (1e300, 2**63 - 1),
    ],
)  # fmt: skip
def test_counts_are_what_a_database_can_hold(value: Any, number: int) -> None:
    assert whole_number(value) == number


def test_texts_are_what_a_database_can_hold() -> None:
    assert plain_text("a\x00b\ud83d水") == "ab?水"
    assert plain_text(["a"]) == ""


# --- the address ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("http://ollama.school.example:11434/", "http://ollama.school.example:11434"),
        ("localhost:11434", "http://localhost:11434"),
        ("https://aiko:secret@ollama.school.example/llm/", "https://ollama.school.example/llm"),
        ("http://[::1]:11434", "http://[::1]:11434"),
    ],
)
def test_an_address_is_shown_without_its_secrets(settings: Any, url: str, public: str) -> None:
    settings.OLLAMA_URL = url
    assert ollama_address().public == public


def test_name_and_password_are_sent(ollama: OllamaServer, settings: Any) -> None:
    sent = []

    def respond(exchange: Exchange) -> None:
        sent.append(exchange.headers["Authorization"])
        exchange.whole({"version": VERSION})

    ollama.respond["/api/version"] = respond
    settings.OLLAMA_URL = settings.OLLAMA_URL.replace("http://", "http://aiko:p%40ss@")
    health = ollama_health()
    assert health.status == "ok"
    assert "p%40ss" not in str(health.url)
    assert sent == ["Basic YWlrbzpwQHNz"]


@pytest.mark.parametrize("url", ["ftp://ollama", "http://", "http://host:port", "http://[::1"])
def test_an_address_that_is_none_is_unreachable(settings: Any, url: str) -> None:
    settings.OLLAMA_URL = url
    assert ollama_health().status == "unreachable"
    assert reason() == "unreachable"


def test_a_server_that_is_away_is_unreachable(settings: Any) -> None:
    settings.OLLAMA_URL = "http://127.0.0.1:9"
    assert reason() == "unreachable"


def test_without_an_address_nothing_is_asked(settings: Any) -> None:
    settings.OLLAMA_URL = " "
    assert reason() == "not_configured"
