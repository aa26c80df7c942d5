"""The live conversation: a snapshot at connect, then each event once, in order, as JSON or as fragments of the page.

Events are hints; the rows are the truth. An event that is missing for longer than a moment, or a piece of text that
does not join on, is answered with a fresh snapshot. While a reply waits, its place in the queue is told.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, ClassVar
from uuid import UUID

from channels.db import database_sync_to_async
from django.utils.translation import gettext as _

from chat import fragments
from chat.events import group_name
from chat.models import ChatSession, Message, Reply
from chat.naming import HIDDEN_CODE, hidden_failure, shown_event
from chat.queue_board import QueueBoard, is_worth_telling
from chat.queueing import places_of
from chat.schemas import SessionSchema, turns_in_order
from chat.selectors import ACTIVE, get_session, messages
from chat.sentences import error_sentence
from chat.services.sending import cancel_replies, send_message
from common.errors import Fault, InvalidInputError
from common.sockets import LiveConsumer

logger = logging.getLogger(__name__)


class ChatConsumer(LiveConsumer):
    """One open conversation. Clients may send `send {message, settings?}` and `cancel`."""

    client_events: ClassVar[frozenset[str]] = frozenset({"send", "cancel"})
    board: ClassVar[QueueBoard] = QueueBoard()
    _watch: asyncio.Task[None] | None = None

    @staticmethod
    async def moment() -> None:
        """So long an event may be under way after its row was written, and so often places are told."""
        await asyncio.sleep(1)

    async def authorise(self) -> bool:
        await self._session()
        return True

    def group(self) -> str:
        return group_name(self._session_id)

    async def on_connected(self) -> None:
        self._lock = asyncio.Lock()
        self._early: dict[int, dict[str, Any]] = {}
        self._seq = 0
        self._lengths: dict[str, int] = {}
        self._messages: set[str] = set()
        self._active: set[str] = set()
        self._hides_names = True
        self._places: dict[str, int] = {}
        async with self._lock:
            await self._send_snapshot()
        self._watch = asyncio.create_task(self._watch_forever())

    async def on_client_event(self, event: dict[str, Any]) -> None:
        session = await self._session()
        if event["type"] == "cancel":
            await database_sync_to_async(cancel_replies)(session)
            return
        text, settings = event.get("message", ""), event.get("settings") or {}
        if not isinstance(text, str) or not isinstance(settings, dict):
            sentence = _("The message must be text, and its settings an object.")
            raise InvalidInputError(sentence, faults=[Fault(sentence, field="message")])
        await database_sync_to_async(send_message)(session, text=text, sampling=settings)

    async def chat_event(self, message: dict[str, Any]) -> None:
        """One event of the session, as a worker or a page published it."""
        async with self._lock:
            self._early[message["event"]["seq"]] = message["event"]
            await self._send_due()

    # --- order ----------------------------------------------------------------------------------

    async def _send_due(self) -> None:
        """Pass on what follows the last event without a gap; two workers may publish in the wrong order."""
        for seq in [seq for seq in self._early if seq <= self._seq]:
            del self._early[seq]
        while (event := self._early.pop(self._seq + 1, None)) is not None:
            self._seq += 1
            await self._pass_on(event)

    async def _watch_forever(self) -> None:
        """Look now and then whether the rows are ahead of what was sent, and where waiting replies stand."""
        expected = 0
        while True:
            before = self._seq
            await self.moment()
            if self._is_closed:
                return
            try:
                async with self._lock:
                    expected = await self._catch_up(expected, is_silent=self._seq == before)
                    await self._tell_places()
            except Exception:
                logger.exception("chat socket could not catch up")

    async def _catch_up(self, expected: int, *, is_silent: bool) -> int:
        """Send a snapshot when an event is lost.

        Args:
            expected: number of the last event that the rows knew of at the look before; one that has not come
                since then is lost, while one that was written after it may be under way.

        Returns:
            What to expect at the next look.
        """
        if not is_silent or not (self._active or self._early):
            return 0
        if expected > self._seq:
            await self._send_snapshot()
            return 0
        return await self._stored_seq()

    async def _tell_places(self) -> None:
        """Where the chat's waiting replies stand, if that has changed."""
        places = await self.board.places_in(self._session_id)
        changed = {
            reply_id: place
            for reply_id, place in places.items()
            if is_worth_telling(place, told=self._places.get(reply_id, 0))
        }
        self._places = {reply_id: self._places.get(reply_id, 0) for reply_id in places} | changed
        if self.wants_html and not changed.keys() <= self._lengths.keys():
            # Sent from another window: this page has no place for the reply yet.
            await self._send_snapshot()
            return
        for reply_id, place in changed.items():
            if self.wants_html:
                await self._send_reply(reply_id)
            else:
                await self.send_event({"type": "queue", "reply_id": reply_id, "place": place})

    # --- what is sent ---------------------------------------------------------------------------

    async def _send_snapshot(self) -> None:
        event, html = await self._snapshot()
        self._seq = max(self._seq, event["seq"])
        if self.wants_html:
            await self.send_html(html)
        else:
            await self.send_event(event)
        await self._send_due()

    @database_sync_to_async
    def _snapshot(self) -> tuple[dict[str, Any], str]:
        # The number is read before the rows: an event between the two is sent again, and joins on by its offset.
        session = get_session(self.user, self._session_id)
        turns = messages(session)
        replies = [reply for turn in turns for reply in turn.replies.all()]
        self._lengths = {str(reply.pk): len(reply.text) for reply in replies}
        self._active = {str(reply.pk) for reply in replies if reply.status in ACTIVE}
        self._messages = {str(turn.pk) for turn in turns}
        self._hides_names = session.hides_names
        if self.wants_html:
            self._places = {str(pk): place for pk, place in places_of(replies).items()}
        event = {"type": "snapshot", "seq": session.event_seq}
        if self.wants_html:
            return event, fragments.conversation_message(session, turns)
        event["session"] = SessionSchema.from_orm(session).model_dump(mode="json")
        event["messages"] = [turn.model_dump(mode="json") for turn in turns_in_order(turns)]
        return event, ""

    async def _pass_on(self, event: dict[str, Any]) -> None:
        was_active = bool(self._active)
        self._follow(event)
        if not self.wants_html:
            await self.send_event(_for_client(event, hides_names=self._hides_names))
            if event["type"] in ("branch", "revealed"):
                await self._send_snapshot()
            return
        match event["type"]:
            case "started" if event["message_id"] not in self._messages:
                # Sent from another window: this page has no place for the reply yet.
                await self._send_snapshot()
                return
            case "text":
                await self._send_text(event)
            case "branch" if "reply_id" in event:
                await self._send_reply(event["reply_id"], is_standing=True)
            case "branch":
                await self._send_snapshot()
            case "revealed":
                await self._send_snapshot()
                await self._send_if_any(await self._names_html())
            case "vote":
                await self._send_if_any(await self._foot_html(event["message_id"]))
            case _:
                await self._send_reply(event["reply_id"])
        if was_active != bool(self._active):
            await self.send_html(fragments.status_message(is_active=bool(self._active)))

    def _follow(self, event: dict[str, Any]) -> None:
        if event["type"] in ("finished", "error"):
            self._active.discard(event["reply_id"])
        elif event["type"] in ("started", "text"):
            self._active.add(event["reply_id"])

    async def _send_text(self, event: dict[str, Any]) -> None:
        """Only what the page does not have yet: a snapshot may have brought the piece, or a part of it."""
        known, offset, text = (
            self._lengths.get(event["reply_id"], 0),
            event["offset"],
            event["text"],
        )
        if offset > known:
            await self._send_snapshot()
            return
        fresh = text[known - offset :]
        if fresh:
            self._lengths[event["reply_id"]] = known + len(fresh)
            await self.send_html(fragments.text_message(event["reply_id"], fresh))

    async def _send_reply(self, reply_id: str, *, is_standing: bool = False) -> None:
        await self._send_if_any(await self._reply_html(reply_id, is_standing=is_standing))

    async def _send_if_any(self, html: str) -> None:
        if html.strip():
            await self.send_html(html)

    @database_sync_to_async
    def _reply_html(self, reply_id: str, *, is_standing: bool) -> str:
        found = Reply.objects.filter(pk=reply_id, message__session_id=self._session_id)
        reply = found.select_related("answerer", "message").first()
        if reply is None:
            return ""
        # With its models, of which one query brings all.
        reply.message.session = get_session(self.user, self._session_id)
        self._lengths[reply_id] = len(reply.text)
        if is_standing:
            return fragments.standing_reply_message(reply)
        return fragments.reply_message(reply)

    @database_sync_to_async
    def _foot_html(self, message_id: str) -> str:
        message = Message.objects.filter(pk=message_id, session_id=self._session_id).first()
        if message is None:
            return ""
        message.session = get_session(self.user, self._session_id)
        return fragments.foot_message(message)

    @database_sync_to_async
    def _names_html(self) -> str:
        return fragments.names_message(get_session(self.user, self._session_id))

    async def _leave(self) -> None:
        await super()._leave()
        if self._watch is not None:
            self._watch.cancel()

    # --- rows -----------------------------------------------------------------------------------

    @property
    def _session_id(self) -> UUID:
        session_id: UUID = self.scope["url_route"]["kwargs"]["session_id"]
        return session_id

    @database_sync_to_async
    def _session(self) -> ChatSession:
        return get_session(self.user, self._session_id)

    @database_sync_to_async
    def _stored_seq(self) -> int:
        return (
            ChatSession.objects.values_list("event_seq", flat=True)
            .filter(pk=self._session_id)
            .first()
            or 0
        )


def _for_client(event: dict[str, Any], *, hides_names: bool) -> dict[str, Any]:
    """An error in the reader's words instead of a code's parameters; nothing that tells a hidden name."""
    shown = shown_event(event, hides_names=hides_names)
    if shown["type"] != "error":
        return shown
    plain = {name: value for name, value in shown.items() if name != "params"}
    if plain["code"] == HIDDEN_CODE:
        return {**plain, "message": hidden_failure()}
    return {**plain, "message": error_sentence(event["code"], event["params"])}
