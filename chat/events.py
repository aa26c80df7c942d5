"""The live stream of a session: what each event holds, and the group that gets it.

Events are not stored: the reply's row holds the whole text so far. `seq` is dense per session, so a consumer that
sees a gap reads a fresh snapshot.
"""

from __future__ import annotations

from typing import Any, Literal, TypedDict
from uuid import UUID

from common.channel_layer import publish


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


ChatEvent = StartedEvent | TextEvent | FinishedEvent | ErrorEvent


def group_name(session_id: UUID | str) -> str:
    return f"chat.session.{session_id}"


def publish_event(session_id: UUID | str, event: ChatEvent) -> None:
    publish(group_name(session_id), {"type": "chat.event", "event": event})
