"""Replies that wait: who is next, where each stands, and when no more are taken.

People take turns: a reply comes after as many rounds as its owner has replies before it, those under way included, and
within a round whoever waits longest goes first. So who asks for thirty answers at once keeps nobody else waiting.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import User
from chat.models import Reply
from common.errors import TooManyRequestsError
from common.rate_limit import consume

OWN_RETRY_SECONDS = 10
"""About as long as an answer takes."""
FULL_RETRY_SECONDS = 30
Status = Reply.Status


@dataclass(frozen=True, slots=True)
class Queued:
    """A reply that waits or is under way."""

    reply_id: UUID
    owner_id: int
    session_id: UUID


@dataclass(frozen=True, slots=True)
class Line:
    """All replies that are not over.

    Attributes:
        waiting: the oldest first.
        under_way: those that a worker has claimed.
    """

    waiting: list[Queued] = field(default_factory=list)
    under_way: list[Queued] = field(default_factory=list)

    @classmethod
    def read(cls) -> Line:
        """In one query; admission bounds how long it gets."""
        line = cls()
        active = Reply.objects.filter(status__in=(Status.PENDING, Status.RUNNING))
        rows = active.order_by("created_at", "pk").values_list(
            "pk", "status", "message__session__owner_id", "message__session_id"
        )
        for reply_id, status, owner_id, session_id in rows:
            place = line.waiting if status == Status.PENDING else line.under_way
            place.append(Queued(reply_id, owner_id, session_id))
        return line

    def in_turn(self) -> list[Queued]:
        """Who waits, the next one first."""
        before = Counter(item.owner_id for item in self.under_way)
        rounds = []
        for arrival, item in enumerate(self.waiting):
            rounds.append((before[item.owner_id], arrival, item))
            before[item.owner_id] += 1
        return [item for _round, _arrival, item in sorted(rounds, key=lambda entry: entry[:2])]


def next_replies(count: int) -> list[UUID]:
    """Waiting replies that a worker with `count` free places may claim now.

    Replies of a person beyond LLMLORA_CHAT_REPLIES_PER_OWNER wait until one of theirs is over, places or no places.
    """
    line = Line.read()
    under_way = Counter(item.owner_id for item in line.under_way)
    chosen: list[UUID] = []
    for item in line.in_turn():
        if len(chosen) == count:
            break
        if under_way[item.owner_id] < settings.CHAT_REPLIES_PER_OWNER:
            under_way[item.owner_id] += 1
            chosen.append(item.reply_id)
    return chosen


def places() -> dict[UUID, int]:
    """Where each waiting reply stands; 1 comes next."""
    return {item.reply_id: index for index, item in enumerate(Line.read().in_turn(), start=1)}


def places_of(replies: Iterable[Reply]) -> dict[UUID, int]:
    """Where those of the replies stand that wait; no query when none does."""
    waiting = {reply.pk for reply in replies if reply.status == Status.PENDING}
    if not waiting:
        return {}
    return {reply_id: place for reply_id, place in places().items() if reply_id in waiting}


def queue_place(reply: Reply) -> int | None:
    """Where a reply stands, or None when it does not wait."""
    return places_of([reply]).get(reply.pk)


def admit(owner: User, reply_count: int) -> None:
    """Let a person's message with so many replies into the queue.

    Inside the transaction that stores them, before it locks anything else: messages of one person are then admitted
    one after another, so that exactly as many as are allowed get in, however many are sent at once.

    Raises:
        TooManyRequestsError: too many of the person's replies wait, or of all; or the person sends too often.
    """
    User.objects.select_for_update(no_key=True).get(pk=owner.pk)
    waiting = Line.read().waiting
    own_count = sum(item.owner_id == owner.pk for item in waiting)
    if own_count + reply_count > settings.CHAT_WAITING_PER_OWNER:
        raise TooManyRequestsError(_own_sentence(own_count), retry_after_seconds=OWN_RETRY_SECONDS)
    if len(waiting) + reply_count > settings.CHAT_WAITING_IN_ALL:
        raise TooManyRequestsError(
            _(
                "Very many messages wait for their answers right now, so yours was not sent. "
                "Wait %(seconds)d seconds, then send it again."
            )
            % {"seconds": FULL_RETRY_SECONDS},
            retry_after_seconds=FULL_RETRY_SECONDS,
        )
    consume("chat", str(owner.pk), limit=settings.CHAT_MESSAGES_PER_MINUTE, period_seconds=60)


def _own_sentence(own_count: int) -> str:
    return ngettext(
        "%(count)d answer to your messages still waits, so no more can be sent at once. "
        "Wait until it comes, or stop it, then send the message again.",
        "%(count)d answers to your messages still wait, so no more can be sent at once. "
        "Wait until some come, or stop them, then send the message again.",
        own_count,
    ) % {"count": own_count}
