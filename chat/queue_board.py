"""The queue as this web process read it last: one reading serves every open page."""

from __future__ import annotations

import time
from collections import defaultdict
from uuid import UUID

from channels.db import database_sync_to_async

from chat.queueing import Line

REFRESH_SECONDS = 1.0


class QueueBoard:
    """Places of waiting replies by chat, at most a moment old."""

    def __init__(self, refresh_seconds: float = REFRESH_SECONDS) -> None:
        self._refresh_seconds = refresh_seconds
        self._read_at = float("-inf")
        self._by_session: dict[UUID, dict[str, int]] = {}

    async def places_in(self, session_id: UUID) -> dict[str, int]:
        """The chat's waiting replies and where each stands; 1 comes next."""
        now = time.monotonic()
        if now - self._read_at >= self._refresh_seconds:
            # Noted before it is read, so that of many pages only one reads.
            self._read_at = now
            self._by_session = await database_sync_to_async(_read)()
        return self._by_session.get(session_id, {})


def _read() -> dict[UUID, dict[str, int]]:
    found: dict[UUID, dict[str, int]] = defaultdict(dict)
    for place, item in enumerate(Line.read().in_turn(), start=1):
        found[item.session_id][str(item.reply_id)] = place
    return dict(found)


def is_worth_telling(place: int, *, told: int) -> bool:
    """Whether a place has changed for its reader: far back in a long queue single steps say nothing."""
    return place != told and abs(place - told) > place // 10
