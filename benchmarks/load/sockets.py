"""The two live sockets of one student: the page's fragments, and JSON events from which the job is rebuilt."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from autobahn.asyncio.websocket import WebSocketClientFactory, WebSocketClientProtocol

NORMAL = 1000
NOT_OPENED = 1006
RECONNECT_SECONDS = 1
POINT_FIELDS = ("loss", "learning_rate", "grad_norm", "tokens_per_second", "eval_loss")
MAX_MESSAGE_BYTES = 4 * 2**20


@dataclass(slots=True)
class RebuiltJob:
    """A job as a program knows it that saw one snapshot and then nothing but events.

    Attributes:
        received: moment (Unix time) at which each event came, by its number; what a snapshot tells is not among them.
        gaps: events that came out of order, or after a missing one.
    """

    seq: int = -1
    status: str = ""
    stage: str = ""
    points: dict[int, dict[str, Any]] = field(default_factory=dict)
    received: dict[int, float] = field(default_factory=dict)
    gaps: int = 0
    repeats: int = 0

    @property
    def is_over(self) -> bool:
        return self.status in ("completed", "failed", "cancelled")

    def take(self, event: dict[str, Any], now: float) -> None:
        if event["type"] == "snapshot":
            self._take_snapshot(event)
            return
        if event["seq"] <= self.seq:
            self.repeats += 1
            return
        self.gaps += event["seq"] != self.seq + 1
        self.seq = event["seq"]
        self.received[self.seq] = now
        match event["type"]:
            case "metrics":
                for point in event["points"]:
                    self._point(point["step"]).update(
                        {name: point[name] for name in POINT_FIELDS if name in point}
                    )
            case "evaluation":
                self._point(event["step"])["eval_loss"] = event["eval_loss"]
            case "stage":
                self.stage = event["stage"]
                if event["stage"] == "preparing" and "attempt" in event:
                    # A new attempt tells all its steps again.
                    self.points = {}
            case "finished":
                self.stage, self.status = "done", event["status"]

    def _take_snapshot(self, event: dict[str, Any]) -> None:
        self.seq = event["seq"]
        self.status, self.stage = event["job"]["status"], event["job"]["stage"]
        self.points = {}
        for point in event["metrics"]:
            self._point(point["step"]).update({name: point[name] for name in POINT_FIELDS})

    def _point(self, step: int) -> dict[str, Any]:
        return self.points.setdefault(step, dict.fromkeys(POINT_FIELDS))

    def difference(self, job: dict[str, Any], metrics: list[dict[str, Any]]) -> str:
        """Where it differs from what the server says now, or ""."""
        fresh = {point["step"]: {name: point[name] for name in POINT_FIELDS} for point in metrics}
        if self.is_over and self.status != job["status"]:
            return f"status {self.status}, fresh {job['status']}"
        if self.stage != job["stage"]:
            return f"stage {self.stage}, fresh {job['stage']}"
        if fresh.keys() != self.points.keys():
            return f"{len(self.points)} points, fresh {len(fresh)}"
        wrong = [step for step, point in fresh.items() if point != self.points[step]]
        return f"point of step {wrong[0]}" if wrong else ""


@dataclass(slots=True)
class SocketCounts:
    """Of all sockets together.

    Attributes:
        closes: how often each close code came.
    """

    open: int = 0
    most_open: int = 0
    opened: int = 0
    messages: int = 0
    received_bytes: int = 0
    closes: dict[int, int] = field(default_factory=dict)

    def add(self, opened: int) -> None:
        self.open += opened
        self.opened += max(0, opened)
        self.most_open = max(self.most_open, self.open)


class Socket:
    """One socket that opens itself again until the server says that the job is over."""

    def __init__(
        self,
        address: str,
        job_id: str,
        cookies: str,
        counts: SocketCounts,
        job: RebuiltJob | None = None,
    ) -> None:
        """
        Args:
            job: rebuilt from the events; without it the socket asks for the page's fragments.
        """
        self._origin = address
        self._path = f"/ws/training/{job_id}"
        self._cookies = cookies
        self.counts = counts
        self._job = job

    async def follow(self) -> None:
        while True:
            code = await self._open_once()
            self.counts.closes[code] = self.counts.closes.get(code, 0) + 1
            if code == NORMAL:
                return
            await asyncio.sleep(RECONNECT_SECONDS)

    def take(self, payload: bytes) -> None:
        self.counts.messages += 1
        self.counts.received_bytes += len(payload)
        if self._job is not None:
            self._job.take(json.loads(payload), time.time())

    async def _open_once(self) -> int:
        """The close code of one connection."""
        place = urlsplit(self._origin)
        factory = WebSocketClientFactory(
            f"ws://{place.netloc}{self._path}{self._query()}",
            origin=self._origin,
            headers={"Cookie": self._cookies},
        )
        factory.setProtocolOptions(maxMessagePayloadSize=MAX_MESSAGE_BYTES, openHandshakeTimeout=60)
        protocol = _Protocol(self)
        factory.protocol = lambda: protocol
        try:
            await asyncio.get_running_loop().create_connection(factory, place.hostname, place.port)
        except OSError:
            return NOT_OPENED
        try:
            return await protocol.closed
        finally:
            # Also when the run ends before the job does.
            with contextlib.suppress(Exception):
                protocol.sendClose()

    def _query(self) -> str:
        if self._job is None:
            return "?as=html"
        return "" if self._job.seq < 0 else f"?last_seq={self._job.seq}"


class _Protocol(WebSocketClientProtocol):
    def __init__(self, socket: Socket) -> None:
        super().__init__()
        self._socket = socket
        self._is_open = False
        self.closed: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def onOpen(self) -> None:  # noqa: N802 - the library's names
        self._is_open = True
        self._socket.counts.add(1)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: N802, N803, FBT001
        self._socket.take(payload)

    def onClose(self, wasClean: bool, code: int, reason: str) -> None:  # noqa: N802, N803, FBT001
        if self._is_open:
            self._is_open = False
            self._socket.counts.add(-1)
        if not self.closed.done():
            self.closed.set_result(code or NOT_OPENED)
