"""The web server keeps large bodies out of its memory, in both directions."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

CHUNK_BYTES = 64 * 1024
FORM_TYPE = "multipart/form-data; boundary=x"
CHUNKS = 1600
MOST_AHEAD_BYTES = 24 * 1024 * 1024
"""Buffers of the system's sockets hold a few megabytes; the response has a hundred."""

APPLICATION = f"""
import json
import resource

sent = 0

async def application(scope, receive, send):
    global sent
    if scope["type"] != "http":
        return
    headers = [(b"content-type", b"application/octet-stream")]
    await send({{"type": "http.response.start", "status": 200, "headers": headers}})
    if scope["path"] == "/received":
        received, message = 0, {{"more_body": True}}
        while message["more_body"]:
            message = await receive()
            received += len(message["body"])
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        types = [value.decode() for name, value in scope["headers"] if name == b"content-type"]
        answer = json.dumps([received, peak, types]).encode()
        await send({{"type": "http.response.body", "body": answer}})
        return
    if scope["path"] == "/sent":
        await send({{"type": "http.response.body", "body": str(sent).encode()}})
        return
    for _ in range({CHUNKS}):
        await send({{"type": "http.response.body", "body": bytes({CHUNK_BYTES}), "more_body": True}})
        sent += {CHUNK_BYTES}
    await send({{"type": "http.response.body", "body": b"end"}})
"""


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "large.py").write_text(APPLICATION, encoding="utf-8")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = int(probe.getsockname()[1])
    command = [sys.executable, "-m", "llmlora_site.web_server", "-b", "127.0.0.1", "-p", str(free)]
    with subprocess.Popen(
        [*command, "large:application"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    ) as server:
        assert server.stderr is not None
        for line in server.stderr:
            if "Listening on TCP" in line:
                break
        yield free
        server.kill()


def sent_bytes(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/sent")
    return int(connection.getresponse().read())


def test_a_slow_reader_does_not_fill_the_memory(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/large")
    response = connection.getresponse()
    read = 0
    for _ in range(5):
        read += len(response.read(CHUNK_BYTES))
        assert sent_bytes(port) - read <= MOST_AHEAD_BYTES
    read += len(response.read())
    assert read == CHUNKS * CHUNK_BYTES + len(b"end")
    assert sent_bytes(port) == CHUNKS * CHUNK_BYTES


def test_a_reader_that_leaves_ends_the_response(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/large")
    connection.getresponse().read(CHUNK_BYTES)
    connection.close()
    # Nobody waits for a reader that is gone: the application comes to its end.
    deadline = time.monotonic() + 20
    while sent_bytes(port) < CHUNKS * CHUNK_BYTES:
        assert time.monotonic() < deadline


def test_an_upload_does_not_fill_the_memory(port: int) -> None:
    def post(body: Iterator[bytes], size_bytes: int) -> list[Any]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        headers = {"Content-Type": FORM_TYPE, "Content-Length": str(size_bytes)}
        connection.request("POST", "/received", body, headers)
        return json.loads(connection.getresponse().read())

    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    tail = b"\r\n--x--\r\n"
    size_bytes = len(head) + CHUNKS * CHUNK_BYTES + len(tail)
    _received, before, _types = post(iter([b"x"]), 1)
    chunks = (bytes(CHUNK_BYTES) for _ in range(CHUNKS))
    received, peak, types = post(chain([head], chunks, [tail]), size_bytes)
    assert (received, types) == (size_bytes, [FORM_TYPE])
    # Kilobytes; the body has a hundred megabytes.
    assert peak - before < 32 * 1024
