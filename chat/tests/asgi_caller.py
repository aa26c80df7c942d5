"""One HTTP request to the whole application, as the web server brings it: read piece by piece, and hung up on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from llmlora_site.asgi import application

LIMIT_SECONDS = 10


class AsgiCaller:
    """A request under way.

    Attributes:
        status: known once `start` returned.
        headers: of the response, lower case.
    """

    def __init__(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self._to_application: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._from_application: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._to_application.put_nowait({"type": "http.request", "body": body})
        lines = {"host": "localhost", "content-type": "application/json"} | (headers or {})
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "path": path,
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in lines.items()],
        }
        scope["headers"].append((b"content-length", str(len(body)).encode()))
        self._run = asyncio.create_task(
            application(scope, self._to_application.get, self._from_application.put)
        )

    async def start(self) -> AsgiCaller:
        """Wait for the status and the headers."""
        message = await self._next()
        assert message["type"] == "http.response.start"
        self.status = message["status"]
        self.headers = {name.decode().lower(): value.decode() for name, value in message["headers"]}
        return self

    async def pieces(self) -> AsyncIterator[str]:
        """The body as it is sent."""
        while True:
            message = await self._next()
            if body := message.get("body", b"").decode():
                yield body
            if not message.get("more_body"):
                await self._run
                return

    async def json(self) -> dict[str, Any]:
        return json.loads("".join([piece async for piece in self.pieces()]))

    async def events(self) -> list[Any]:
        """Every event of the stream; `[DONE]` as it is."""
        text = "".join([piece async for piece in self.pieces()])
        return [read_event(line) for line in text.split("\n\n") if line]

    async def hang_up(self) -> None:
        self._to_application.put_nowait({"type": "http.disconnect"})
        async with asyncio.timeout(LIMIT_SECONDS):
            await self._run

    async def _next(self) -> dict[str, Any]:
        coming = asyncio.create_task(self._from_application.get())
        await asyncio.wait(
            {coming, self._run}, timeout=LIMIT_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        if not coming.done():
            # An application that failed says why here, and one that is still silent is not done.
            self._run.result()
        return await asyncio.wait_for(coming, timeout=1)


def read_event(line: str) -> Any:
    if not line.startswith("data: "):
        return line
    data = line.removeprefix("data: ").strip()
    return data if data == "[DONE]" else json.loads(data)
