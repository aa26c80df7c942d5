"""The text of a reply as it grows: from the events that bring it, with the row as the truth.

The row is read at the beginning, whenever an event does not join on to what is known, at the end, and from time to
time. Every piece is cut to what is not known yet, so no character is lost or told twice.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from channels.db import database_sync_to_async
from django.db.models.functions import Substr
from django.utils.translation import gettext as _

from chat.models import Reply
from chat.openai_api.listening import SessionEvents
from chat.selectors import ACTIVE
from common.errors import DomainError, UnavailableError
from modelhub.selectors import workers

POLL_SECONDS = 0.1
"""Between two looks at the row where no events come."""
LOOK_SECONDS = 1.0
"""Between two looks where events come; the last one may be lost."""
MAX_WAIT_FOR_WORKER_SECONDS = 60.0
"""So long a worker may be away, which is what a restart takes; while there is one, the queue may take its time."""
MAX_WAIT_SECONDS = 600.0
"""4096 tokens on a slow CPU; clients of the protocol give up after this as well."""


@dataclass(frozen=True, slots=True)
class Growth:
    """What has come since the last one; nothing, when somebody only wants to be told that the wait goes on."""

    text: str = ""
    logprobs: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class _Known:
    """How much of the row has been told."""

    characters: int = 0
    tokens: int = 0


class Follower:
    """Follows one reply to its end.

    Args:
        wants_logprobs: the row then brings them too; a worker writes them once the reply is complete.
    """

    def __init__(self, reply: Reply, *, wants_logprobs: bool = False) -> None:
        self._reply_id: UUID = reply.pk
        self._session_id = reply.message.session_id
        self._wants_logprobs = wants_logprobs
        self._known = _Known()
        self._began_at = time.monotonic()

    async def growth(self) -> AsyncIterator[Growth]:
        """Pieces until the reply has ended, however it did.

        Raises:
            UnavailableError: no worker takes it, it takes too long, or its row is gone.
        """
        async with SessionEvents(self._session_id) as events:
            while True:
                row = await self._read()
                yield self._grown(row)
                if row["status"] not in ACTIVE:
                    return
                await self._check_patience(row["status"])
                async for piece in self._from_events(events):
                    yield piece

    async def _from_events(self, events: SessionEvents) -> AsyncIterator[Growth]:
        """Pieces that join on; ends when it is time to look at the row."""
        look_at = time.monotonic() + (LOOK_SECONDS if events.is_live else POLL_SECONDS)
        while (left_seconds := look_at - time.monotonic()) > 0:
            event = await events.next(left_seconds)
            if event is None:
                return
            if event["type"] == "text":
                offset = self._known.characters - event["offset"]
                if offset < 0:
                    return
                if fresh := event["text"][offset:]:
                    self._known.characters += len(fresh)
                    yield Growth(fresh)
            elif event["type"] in ("finished", "error"):
                return

    def _grown(self, row: dict[str, Any]) -> Growth:
        logprobs = (row["logprobs"] or [])[self._known.tokens :]
        self._known.characters += len(row["fresh"])
        self._known.tokens += len(logprobs)
        return Growth(row["fresh"], logprobs)

    @database_sync_to_async
    def _read(self) -> dict[str, Any]:
        fresh = Substr("text", self._known.characters + 1)
        columns = ("status", "logprobs") if self._wants_logprobs else ("status",)
        row = Reply.objects.filter(pk=self._reply_id).values(*columns, fresh=fresh).first()
        if row is None:
            raise _deleted()
        return {"logprobs": None, **row}

    async def _check_patience(self, status: str) -> None:
        waited_seconds = time.monotonic() - self._began_at
        if waited_seconds > MAX_WAIT_SECONDS:
            raise UnavailableError(
                _("The answer took too long and was stopped. Ask for fewer tokens.")
            )
        is_overdue = status == Reply.Status.PENDING and waited_seconds > MAX_WAIT_FOR_WORKER_SECONDS
        if is_overdue and not await _has_worker():
            raise _no_worker()


@database_sync_to_async
def read_ended(reply: Reply) -> Reply:
    """The reply as it stands now.

    Raises:
        UnavailableError: its row is gone.
    """
    row = Reply.objects.filter(pk=reply.pk).first()
    if row is None:
        raise _deleted()
    return row


def _deleted() -> DomainError:
    return UnavailableError(
        _("The request was deleted before its answer was complete. Send it again.")
    )


@database_sync_to_async
def _has_worker() -> bool:
    return any(worker.is_at_work for worker in workers())


def _no_worker() -> DomainError:
    return UnavailableError(
        _(
            "No worker took the message in time, so it was withdrawn. "
            "Check that a worker is running, then send it again."
        )
    )
