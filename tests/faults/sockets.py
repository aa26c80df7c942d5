"""A client of a job's live socket that can be told to stop reading, which no library for WebSockets lets one do."""

from __future__ import annotations

import base64
import json
import os
import socket
import struct
import time
from typing import Any

from tests.faults.classroom import Classroom, Student

TEXT, CLOSE, PING = 1, 8, 9
FINAL = 0x80
MASKED = 0x80


class LiveSocket:
    """One student's socket of a job.

    Args:
        as_html: the page's fragments in place of events.
        buffer_bytes: of what the system reads on its own; small, so that a client that stops is felt soon.
    """

    def __init__(
        self,
        room: Classroom,
        student: Student,
        job_id: str,
        *,
        as_html: bool = False,
        buffer_bytes: int = 0,
    ) -> None:
        self.connection = socket.socket()
        if buffer_bytes:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        self.connection.settimeout(60)
        self.connection.connect(("127.0.0.1", room.stack.port))
        self._stream = self.connection.makefile("rb")
        path = f"/ws/training/{job_id}" + ("?as=html" if as_html else "")
        lines = (
            f"GET {path} HTTP/1.1",
            f"Host: localhost:{room.stack.port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
            f"Authorization: Bearer {student.token}",
        )
        self.connection.sendall("\r\n".join([*lines, "", ""]).encode())
        status = self._stream.readline()
        assert b" 101 " in status, status
        while self._stream.readline() != b"\r\n":
            pass

    def events(self) -> list[tuple[float, dict[str, Any]]]:
        """Every event until the socket closes, each with the moment (Unix time) when it came."""
        found = []
        while True:
            opcode, payload = self._frame()
            if opcode == CLOSE:
                return found
            if opcode == PING:
                self._answer(payload)
            elif opcode == TEXT:
                found.append((time.time(), json.loads(payload)))

    def is_dropped(self) -> bool:
        """Whether the server ended the connection without the words of a close; reads what came until then."""
        try:
            while True:
                opcode, _payload = self._frame()
                if opcode == CLOSE:
                    return False
        except (OSError, struct.error):
            return True

    def close(self) -> None:
        self._stream.close()
        self.connection.close()

    def _frame(self) -> tuple[int, bytes]:
        first, size = struct.unpack("!BB", self._stream.read(2))
        if size == 126:
            (size,) = struct.unpack("!H", self._stream.read(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", self._stream.read(8))
        return first & 0x0F, self._stream.read(size)

    def _answer(self, payload: bytes) -> None:
        """A pong; a client's frames are masked, here with zeros."""
        self.connection.sendall(bytes([FINAL | 10, MASKED | len(payload)]) + bytes(4) + payload)
