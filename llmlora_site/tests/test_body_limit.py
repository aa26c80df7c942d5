from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from llmlora_site.body_limit import BodyLimit

KNOWN = (b"cookie", b"sessionid=abc")


async def _read_all(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """An application that reads the whole body, then tells its size."""
    size = 0
    while True:
        message = await receive()
        size += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(size).encode()})


async def _post(
    path: str, chunks: Iterable[bytes], *headers: tuple[bytes, bytes]
) -> tuple[int, dict[bytes, bytes], bytes, int]:
    """Status, headers, body, and how many chunks were taken."""
    messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    messages.append({"type": "http.request", "body": b"", "more_body": False})
    sent: list[Mapping[str, Any]] = []
    taken = 0

    async def receive() -> dict[str, Any]:
        nonlocal taken
        taken += 1
        return messages[taken - 1]

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": b"",
        "headers": list(headers),
    }
    await BodyLimit(_read_all)(scope, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"], taken


@pytest.fixture(autouse=True)
def _small_limits(settings: Any) -> None:
    settings.MAX_REQUEST_BYTES = 1000
    settings.MAX_ANONYMOUS_REQUEST_BYTES = 100


async def test_a_body_within_the_limit_passes() -> None:
    status, _headers, body, _taken = await _post(
        "/api/x", [b"x" * 50, b"x" * 50], (b"content-length", b"100")
    )

    assert (status, body) == (200, b"100")


async def test_a_larger_length_is_refused_before_anything_is_read() -> None:
    status, headers, body, taken = await _post("/api/x", [b"x" * 101], (b"content-length", b"101"))

    assert (status, taken) == (413, 0)
    assert headers[b"content-type"] == b"application/json"
    assert json.loads(body)["code"] == "too_large"


@pytest.mark.parametrize("headers", [[], [(b"content-length", b"1")], [(b"content-length", b"-5")]])
async def test_bytes_are_counted_where_the_length_is_missing_or_wrong(
    headers: list[tuple[bytes, bytes]],
) -> None:
    status, _headers, _body, taken = await _post("/api/x", [b"x" * 60] * 10, *headers)

    assert (status, taken) == (413, 2)


@pytest.mark.parametrize("header", [KNOWN, (b"authorization", b"Bearer llm_x")])
async def test_somebody_who_shows_who_they_are_may_send_more(header: tuple[bytes, bytes]) -> None:
    allowed = await _post("/api/x", [b"x" * 500] * 2, header)
    refused = await _post("/api/x", [b"x" * 500] * 3, header)

    assert (allowed[0], refused[0]) == (200, 413)


async def test_a_page_gets_a_sentence_instead_of_json() -> None:
    status, headers, body, _taken = await _post(
        "/datasets/new", [], (b"content-length", b"5000"), KNOWN, (b"accept-language", b"ja")
    )

    assert status == 413
    assert headers[b"content-type"].startswith(b"text/html")
    assert b'<html lang="ja">' in body
    assert b"<p>" in body


async def test_a_length_of_absurd_digits_is_no_crash() -> None:
    status, *_rest = await _post("/api/x", [b"x"], (b"content-length", b"9" * 5000))

    assert status == 413
