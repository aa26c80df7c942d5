"""The limit on a socket's messages is for what clients send, and a reader that does not read is dropped."""

from __future__ import annotations

import base64
import contextlib
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from llmlora_site.cli.children import WEBSOCKET_MESSAGE_BYTES, web_command

SENT_CHARACTERS = 300_000
"""A snapshot of a job of some thousand steps."""

FLOOD_MESSAGES = 200
FLOOD_CHARACTERS = 1024 * 1024
MOST_KIBIBYTES = 32 * 1024
"""Above what the server held before; the flood has two hundred mebibytes."""

APPLICATION = f"""
import asyncio
import resource

is_over = False

async def flood(send):
    global is_over
    try:
        for _ in range({FLOOD_MESSAGES}):
            await send({{"type": "websocket.send", "text": "x" * {FLOOD_CHARACTERS}}})
            await asyncio.sleep(0)
    finally:
        is_over = True

async def tell(receive, send):
    while (await receive())["type"] == "websocket.receive":
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        await send({{"type": "websocket.send", "text": f"{{int(is_over)}} {{peak}}"}})

async def application(scope, receive, send):
    await receive()
    await send({{"type": "websocket.accept"}})
    if scope["path"] == "/flood":
        return await flood(send)
    if scope["path"] == "/tell":
        return await tell(receive, send)
    await send({{"type": "websocket.send", "text": "x" * {SENT_CHARACTERS}}})
    await receive()
"""


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "sockets.py").write_text(APPLICATION, encoding="utf-8")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = int(probe.getsockname()[1])
    command = [*web_command("127.0.0.1", free)[:-1], "sockets:application"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL) as server:
        yield free
        server.kill()


def connect(port: int) -> socket.socket:
    deadline = time.monotonic() + 20
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=20)
        except OSError:
            assert time.monotonic() < deadline


def open_socket(connection: socket.socket, stream: BinaryIO, path: str = "/") -> None:
    key = base64.b64encode(b"sixteen bytes...").decode()
    lines = (
        f"GET {path} HTTP/1.1",
        "Host: localhost",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {key}",
    )
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    assert b" 101 " in stream.readline()
    while stream.readline() != b"\r\n":
        pass


def read_frame(stream: BinaryIO) -> tuple[int, bytes]:
    """Opcode and payload of one frame."""
    first, size = stream.read(2)
    if size == 126:
        (size,) = struct.unpack("!H", stream.read(2))
    elif size == 127:
        (size,) = struct.unpack("!Q", stream.read(8))
    return first & 0x0F, stream.read(size)


def head_of_text(size: int) -> bytes:
    """The beginning of a client's frame, up to its mask: the server need not wait for more."""
    return b"\x81\xff" + struct.pack("!Q", size) + bytes(4)


def is_dropped(stream: BinaryIO) -> bool:
    try:
        return stream.read(1) == b""
    except ConnectionResetError:
        return True


def test_what_the_server_sends_may_be_larger_than_what_a_client_may_send(port: int) -> None:
    with connect(port) as connection, connection.makefile("rb") as stream:
        open_socket(connection, stream)
        opcode, payload = read_frame(stream)
        assert (opcode, len(payload)) == (1, SENT_CHARACTERS)
        connection.sendall(head_of_text(WEBSOCKET_MESSAGE_BYTES + 1))
        assert is_dropped(stream)


def ask(connection: socket.socket, stream: BinaryIO) -> tuple[bool, int]:
    """Whether the flood is over, and the server's peak in KiB."""
    connection.sendall(b"\x81\x81" + bytes(4) + b"?")
    _opcode, payload = read_frame(stream)
    is_over, peak = payload.split()
    return is_over == b"1", int(peak)


def test_who_does_not_read_is_dropped_and_nobody_else_waits(port: int) -> None:
    with (
        connect(port) as slow,
        slow.makefile("rb") as unread,
        connect(port) as other,
        other.makefile("rb") as stream,
    ):
        open_socket(other, stream, "/tell")
        _is_over, before = ask(other, stream)
        open_socket(slow, unread, "/flood")
        is_over, peak, deadline = False, before, time.monotonic() + 20
        while not is_over:
            is_over, peak = ask(other, stream)
            assert time.monotonic() < deadline
        assert peak - before < MOST_KIBIBYTES
        # What the system's own buffers held, then the end.
        received = 0
        with contextlib.suppress(ConnectionResetError):
            while part := slow.recv(FLOOD_CHARACTERS):
                received += len(part)
        assert received < FLOOD_MESSAGES * FLOOD_CHARACTERS // 4
