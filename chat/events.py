"""The live stream of a session: what each event holds, and the group that gets it.

Events are not stored: the reply's row holds the whole text so far. `seq` is dense per session, so a consumer that
sees a gap reads a fresh snapshot.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Literal, NotRequired, TypedDict
from uuid import UUID

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from redis.exceptions import RedisError

from common.channel_layer import SEND_SECONDS
from common.redis_pause import redis_pause

logger = logging.getLogger(__name__)


class StartedEvent(TypedDict):
    type: Literal["started"]
    seq: int
    message_id: str
    reply_id: str
    target: str


class TextEvent(TypedDict):
    """offset counts the characters (code points) of the reply before this piece."""

    type: Literal["text"]
    seq: int
    reply_id: str
    offset: int
    text: str


class FinishedEvent(TypedDict):
    type: Literal["finished"]
    seq: int
    reply_id: str
    finish_reason: str
    usage: dict[str, Any]
    timings: dict[str, Any]


class ErrorEvent(TypedDict):
    """code and params name the failure; each consumer words it in its reader's language."""

    type: Literal["error"]
    seq: int
    reply_id: str
    code: str
    params: dict[str, Any]


class BranchEvent(TypedDict):
    """Another branch has come into view; with a reply, another take of it."""

    type: Literal["branch"]
    seq: int
    message_id: str
    reply_id: NotRequired[str]


class VoteEvent(TypedDict):
    """The person judged the answers to a message, perhaps not for the first time."""

    type: Literal["vote"]
    seq: int
    message_id: str


class RevealedEvent(TypedDict):
    """The names of the models are hidden no longer."""

    type: Literal["revealed"]
    seq: int


ChatEvent = (
    StartedEvent | TextEvent | FinishedEvent | ErrorEvent | BranchEvent | VoteEvent | RevealedEvent
)


def group_name(session_id: UUID | str) -> str:
    return f"chat.session.{session_id}"


def publish_events(events: Sequence[tuple[UUID, ChatEvent]]) -> None:
    """Send each event to its session's group, in this order; when Redis is away they are dropped, and pages poll.

    All of them over one connection: a worker tells of thirty replies four times a second.
    """
    if not events or redis_pause.is_on:
        return
    try:
        async_to_sync(_send)(events)
    except (RedisError, OSError) as error:
        redis_pause.begin()
        logger.warning("%d chat events not sent: %s", len(events), error)


async def _send(events: Sequence[tuple[UUID, ChatEvent]]) -> None:
    layer = get_channel_layer()
    async with asyncio.timeout(SEND_SECONDS):
        for session_id, event in events:
            await layer.group_send(group_name(session_id), {"type": "chat.event", "event": event})
