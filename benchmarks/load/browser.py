"""One student's browser: a session cookie, keep-alive connections, static files once, and a stopwatch."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass
from typing import Any

import httpx2

STATIC_FILE = re.compile(r'(?:href|src)="(/static/[^"]+\.(?:css|js|svg))"')
CSRF_FIELD = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
CONNECTIONS = 6
"""Most that a browser opens to one host."""
TIMEOUT_SECONDS = 60
STATIC = "static file"


@dataclass(frozen=True, slots=True)
class Answer:
    """One request as its sender saw it.

    Attributes:
        page: what was asked for, without ids.
        at: seconds since the start of the run.
        seconds: until the last byte of the answer.
        status: 0 when there was no answer.
    """

    page: str
    at: float
    seconds: float
    status: int


class Browser:
    """Asks as one person; every answer is written down in `answers`."""

    def __init__(self, address: str, answers: list[Answer], epoch: float) -> None:
        self._answers = answers
        self._epoch = epoch
        self._seen_files: set[str] = set()
        self._client = httpx2.AsyncClient(
            base_url=address,
            headers={"Origin": address, "Accept-Language": "en"},
            timeout=TIMEOUT_SECONDS,
            limits=httpx2.Limits(max_connections=CONNECTIONS),
            trust_env=False,
            # Nothing here is encrypted, and each context would cost its milliseconds.
            verify=False,
        )

    async def close(self) -> None:
        await self._client.aclose()

    @property
    def cookies(self) -> str:
        """As a socket's handshake carries them."""
        return "; ".join(f"{name}={value}" for name, value in self._client.cookies.items())

    async def get(self, page: str, path: str) -> httpx2.Response | None:
        return await self._send(page, "GET", path)

    async def open(self, page: str, path: str) -> str:
        """A page with the files that this browser has not yet; its HTML, or "" without a good answer."""
        response = await self.get(page, path)
        if response is None or response.status_code != httpx2.codes.OK:
            return ""
        new = set(STATIC_FILE.findall(response.text)) - self._seen_files
        self._seen_files |= new
        await asyncio.gather(*(self.get(STATIC, file) for file in sorted(new)))
        return response.text

    async def submit(self, page: str, path: str, html: str, fields: dict[str, str]) -> int:
        """Send the form of a page; the status of the answer, 0 without one."""
        token = CSRF_FIELD.search(html)
        data = fields | ({"csrfmiddlewaretoken": token[1]} if token else {})
        response = await self._send(page, "POST", path, data=data)
        return 0 if response is None else response.status_code

    async def post_json(self, page: str, path: str, body: Any) -> httpx2.Response | None:
        """A call of the API from a signed-in page."""
        headers = {"X-CSRFToken": self._client.cookies.get("csrftoken", "")}
        return await self._send(page, "POST", path, json=body, headers=headers)

    async def _send(
        self, page: str, method: str, path: str, **content: Any
    ) -> httpx2.Response | None:
        started = time.perf_counter()
        try:
            response = await self._client.request(method, path, **content)
        except httpx2.HTTPError:
            response = None
        self._answers.append(
            Answer(
                page,
                started - self._epoch,
                time.perf_counter() - started,
                0 if response is None else response.status_code,
            )
        )
        return response
