"""The live socket that training and chat pages share: who may listen, which frames are taken, when it closes.

The database is the truth and an event only a hint, so a socket may close at any time: the page loads again or polls.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from abc import ABC, abstractmethod
from collections import deque
from enum import IntEnum
from typing import Any, ClassVar
from urllib.parse import parse_qs

from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from django.core.serializers.json import DjangoJSONEncoder
from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from redis.exceptions import RedisError

from common import strict_json
from common.errors import DomainError, NotFoundError
from common.rights import person_group

logger = logging.getLogger(__name__)

MAX_FRAME_BYTES = 64 * 1024
MAX_FRAMES_PER_MINUTE = 60
LAYER_TIMEOUT_SECONDS = 3
LAYER_ERRORS = (RedisError, OSError, TimeoutError)


class CloseCode(IntEnum):
    """Why the server closes; from 4000 on they are ours, and name the HTTP status of the same kind."""

    NORMAL = 1000
    SERVER_ERROR = 1011
    TRY_LATER = 1013
    MALFORMED = 4400
    SIGNED_OUT = 4401
    NOT_FOUND = 4404
    TOO_LARGE = 4413
    FLOOD = 4429


class LiveConsumer(AsyncWebsocketConsumer, ABC):  # type: ignore[misc]
    """One page listening to one group.

    A subclass says who may listen (`authorise`), to what (`group`), what to send first (`on_connected`) and which
    events a client may send (`client_events`, handled by `on_client_event`). Channel-layer messages reach the
    subclass's method named after their type. `self.user` is the person, `self.wants_html` and `self.last_seq` come
    from the address.
    """

    client_events: ClassVar[frozenset[str]] = frozenset()
    recheck_seconds: ClassVar[float] = 60

    _is_closed = False
    user: Any
    wants_html: bool
    last_seq: int | None

    @abstractmethod
    async def authorise(self) -> bool:
        """Whether self.user may listen; asked at connect and again while the socket is open."""

    @abstractmethod
    def group(self) -> str:
        """The channel-layer group to join."""

    @abstractmethod
    async def on_connected(self) -> None:
        """Send the snapshot. The group is joined already, so nothing is missed in between."""

    async def on_client_event(self, event: dict[str, Any]) -> None:
        """Act on one event whose type is in client_events; a DomainError becomes an error event."""

    async def send_event(self, event: dict[str, Any]) -> None:
        if not self._is_closed:
            await self.send(text_data=strict_json.dumps(event, encoder=DjangoJSONEncoder))

    async def send_html(self, html: str) -> None:
        if not self._is_closed:
            await self.send(text_data=html)

    async def close_with(self, code: CloseCode, reason: str | Promise) -> None:
        """Close once, with a reason of at most 123 bytes, the protocol's limit."""
        if not self._is_closed:
            self._is_closed = True
            await self.close(code=int(code), reason=_shortened(str(reason)))

    async def refuse(self, code: CloseCode, sentence: str | Promise) -> None:
        """Tell what was wrong with the client's frame, then close."""
        await self.send_event(
            {"type": "error", "code": code.name.lower(), "message": str(sentence)}
        )
        await self.close_with(code, sentence)

    # --- the life of the socket -----------------------------------------------------------------

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        self._is_open = False
        self._has_joined = False
        self._frame_times: deque[float] = deque(maxlen=MAX_FRAMES_PER_MINUTE)
        self._recheck: asyncio.Task[None] | None = None
        self.user = scope.get("user")
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
        self.wants_html = query.get("as") == ["html"]
        self.last_seq = _read_seq(query.get("last_seq", [""])[0])
        translation.activate(scope.get("language") or translation.get_language() or "en")
        if self.user is None or not self.user.is_authenticated:
            # Without the channel layer: a receiver that is cancelled as soon as it has started may not end.
            await self._turn_away(receive, send)
            return
        try:
            await super().__call__(scope, receive, send)
        except LAYER_ERRORS as error:
            # The channel layer's own receiver runs beside the socket's and fails here when Redis goes away.
            logger.warning("live socket ended, the channel layer is away: %s", error)
            await self._close_after_layer_error()
        finally:
            await self._leave()

    async def _turn_away(self, receive: Any, send: Any) -> None:
        self.base_send = send
        await receive()
        await self._open()
        await self.close_with(CloseCode.SIGNED_OUT, _("Sign in, then open this page again."))
        while (await receive())["type"] != "websocket.disconnect":
            pass

    async def dispatch(self, message: dict[str, Any]) -> None:
        try:
            await super().dispatch(message)
        except StopConsumer:
            raise
        except DomainError as error:
            code = CloseCode.NOT_FOUND if error.status == 404 else CloseCode.TRY_LATER
            await self.close_with(code, error.message)
        except Exception:
            logger.exception("live socket failed on %s", message.get("type"))
            await self.close_with(
                CloseCode.SERVER_ERROR, _("Something went wrong on the server. Reload the page.")
            )
        if message["type"] == "websocket.disconnect":
            # Whatever failed above, the client is gone and nothing more will come.
            raise StopConsumer

    async def connect(self) -> None:
        # Accepted before anything is checked: a client sees no close code of a socket that was never open.
        await self._open()
        # Joined before anything is checked: rights that end from here on are heard of.
        if not await self._join():
            await self.close_with(
                CloseCode.TRY_LATER, _("Live updates are not available right now.")
            )
        elif not await self._may_listen():
            await self.close_with(CloseCode.NOT_FOUND, _("There is nothing here that you may see."))
        else:
            self._recheck = asyncio.create_task(self._recheck_forever())
            await self.on_connected()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self._is_closed:
            return
        if self._is_flood():
            await self.refuse(
                CloseCode.FLOOD, _("Too many messages in a short time. Wait a minute.")
            )
        elif (
            len(bytes_data or b"") > MAX_FRAME_BYTES
            or _utf8_size(text_data or "") > MAX_FRAME_BYTES
        ):
            await self.refuse(
                CloseCode.TOO_LARGE, _("The message is too large. 64 KiB is the limit.")
            )
        elif (event := self._read_event(text_data)) is None:
            await self.refuse(CloseCode.MALFORMED, _("The message could not be understood."))
        else:
            try:
                await self.on_client_event(event)
            except DomainError as error:
                await self.send_event(
                    {"type": "error", "code": error.code, "message": str(error.message)}
                )

    # --- checks ---------------------------------------------------------------------------------

    async def _may_listen(self) -> bool:
        try:
            return await self.authorise()
        except NotFoundError:
            return False

    def _read_event(self, text: str | None) -> dict[str, Any] | None:
        try:
            event = strict_json.loads(text or "")
        except strict_json.MalformedJsonError:
            return None
        is_known = (
            isinstance(event, dict)
            and isinstance(event.get("type"), str)
            and event["type"] in self.client_events
        )
        return event if is_known else None

    def _is_flood(self) -> bool:
        now = time.monotonic()
        is_full = len(self._frame_times) == MAX_FRAMES_PER_MINUTE
        is_flood = is_full and now - self._frame_times[0] < 60
        self._frame_times.append(now)
        return is_flood

    async def rights_changed(self, message: dict[str, Any]) -> None:
        """A hint that the person may have fewer rights now (common.rights)."""
        await self._check_rights()

    async def _recheck_forever(self) -> None:
        """For rights that end without a hint: a token that expires, a job that is deleted, Redis away."""
        while not self._is_closed:
            await self._check_rights()
            await asyncio.sleep(self.recheck_seconds)

    async def _check_rights(self) -> None:
        """Close the socket of somebody who is signed out, or may not listen any more."""
        try:
            user = await self.scope["authenticate"]()
            is_allowed = user is not None and await self._may_listen()
        except Exception:
            logger.exception("live socket could not check its rights again")
            return
        if user is None:
            await self.close_with(CloseCode.SIGNED_OUT, _("You are signed out. Sign in again."))
        elif not is_allowed:
            await self.close_with(CloseCode.NOT_FOUND, _("There is nothing here that you may see."))

    # --- the group ------------------------------------------------------------------------------

    async def _join(self) -> bool:
        self._has_joined = True
        try:
            async with asyncio.timeout(LAYER_TIMEOUT_SECONDS):
                for group in self._groups():
                    await self.channel_layer.group_add(group, self.channel_name)
        except LAYER_ERRORS as error:
            logger.warning("live socket not joined to %s: %s", self.group(), error)
            return False
        return True

    def _groups(self) -> tuple[str, str]:
        return person_group(self.user.pk), self.group()

    async def _leave(self) -> None:
        self._is_closed = True
        if self._recheck is not None:
            self._recheck.cancel()
        if self._has_joined:
            with contextlib.suppress(*LAYER_ERRORS):
                async with asyncio.timeout(LAYER_TIMEOUT_SECONDS):
                    for group in self._groups():
                        await self.channel_layer.group_discard(group, self.channel_name)

    async def _close_after_layer_error(self) -> None:
        # The layer may fail before the handshake was read.
        with contextlib.suppress(Exception):
            await self._open()
            await self.close_with(
                CloseCode.TRY_LATER, _("Live updates are not available right now.")
            )

    async def _open(self) -> None:
        if not self._is_open:
            self._is_open = True
            await self.accept()


def _shortened(reason: str) -> str:
    return reason.encode("utf-8")[:123].decode("utf-8", "ignore")


def _utf8_size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _read_seq(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
