"""The events of one session, as the channel layer brings them: hints that there is more, which may be lost."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from channels.layers import get_channel_layer

from chat.events import ChatEvent, group_name
from common.sockets import LAYER_ERRORS, LAYER_TIMEOUT_SECONDS

logger = logging.getLogger(__name__)

CANCEL_AGAIN_SECONDS = 0.05


class SessionEvents:
    """Joins the session's group for as long as the context is open.

    Attributes:
        is_live: whether events come. Without the channel layer none do, and the rows must be asked more often.
    """

    def __init__(self, session_id: UUID) -> None:
        self.is_live = False
        self._group = group_name(session_id)
        self._layer: Any = get_channel_layer()
        self._channel = ""
        self._arrived: asyncio.Queue[ChatEvent | None] = asyncio.Queue()
        self._receiver: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        try:
            async with asyncio.timeout(LAYER_TIMEOUT_SECONDS):
                self._channel = await self._layer.new_channel()
                await self._layer.group_add(self._group, self._channel)
        except LAYER_ERRORS as error:
            logger.warning("%s is asked for without events: %s", self._group, error)
        else:
            self.is_live = True
            self._receiver = asyncio.create_task(self._receive_forever())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._receiver is None:
            return
        while not self._receiver.done():
            # The layer loses a cancellation that meets it just as a message comes, and would wait for the next one.
            self._receiver.cancel()
            await asyncio.wait({self._receiver}, timeout=CANCEL_AGAIN_SECONDS)
        with contextlib.suppress(*LAYER_ERRORS):
            async with asyncio.timeout(LAYER_TIMEOUT_SECONDS):
                await self._layer.group_discard(self._group, self._channel)

    async def next(self, timeout_seconds: float) -> ChatEvent | None:
        """The next event, or None when none came in time."""
        try:
            async with asyncio.timeout(timeout_seconds):
                return await self._arrived.get()
        except TimeoutError:
            return None

    async def _receive_forever(self) -> None:
        try:
            while True:
                message = await self._layer.receive(self._channel)
                self._arrived.put_nowait(message["event"])
        except LAYER_ERRORS as error:
            logger.warning("%s brings no more events: %s", self._group, error)
        except Exception:
            logger.exception("%s brings no more events", self._group)
        self.is_live = False
        # Whoever waits looks at the rows at once.
        self._arrived.put_nowait(None)
