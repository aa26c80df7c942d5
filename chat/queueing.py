"""Replies that wait: who is next, where each stands, and when no more are taken.

People take turns: a reply comes after as many rounds as its owner has replies before it, those under way included, and
within a round whoever waits longest goes first. So who asks for thirty answers at once keeps nobody else waiting.

Replies of prompt sets are nobody's conversation: they come behind their owner's chats, last within a round, and count
neither against what a person may send nor against what they may have answered at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from django.conf import settings
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import User
from chat.models import Answerer, ChatSession, Reply
from common.errors import TooManyRequestsError
from common.rate_limit import consume
from modelhub.chat_servers import ENGINE, backend_name

OWN_RETRY_SECONDS = 10
"""About as long as an answer takes."""
FULL_RETRY_SECONDS = 30
Status = Reply.Status
TUNED = Answerer.Kind.TUNED


@dataclass(frozen=True, slots=True)
class Queued:
    """A reply that waits or is under way.

    Attributes:
        is_evaluation: whether it belongs to the run of a prompt set.
        backend: where it is drawn (modelhub.chat_servers.backend_name).
    """

    reply_id: UUID
    owner_id: int
    session_id: UUID
    is_evaluation: bool = False
    backend: str = ENGINE


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
        active = Reply.objects.filter(status__in=(Status.PENDING, Status.RUNNING)).annotate(
            is_scored=~Q(scored_text="")
        )
        rows = active.order_by("created_at", "pk").values_list(
            "pk",
            "status",
            "message__session__owner_id",
            "message__session_id",
            "message__session__kind",
            "answerer__base_model__source",
            "answerer__base_model__name",
            "answerer__kind",
            "is_scored",
        )
        for reply_id, status, owner_id, session_id, kind, source, model, target, is_scored in rows:
            place = line.waiting if status == Status.PENDING else line.under_way
            is_evaluation = kind == ChatSession.Kind.EVALUATION
            backend = backend_name(source, model, is_tuned=target == TUNED, is_scored=is_scored)
            place.append(Queued(reply_id, owner_id, session_id, is_evaluation, backend))
        return line

    def in_turn(self) -> list[Queued]:
        """Who waits, the next one first."""
        chats = _count_chats(self.under_way)
        everything = Counter(item.owner_id for item in self.under_way)
        rounds = []
        # Chats are counted first: what a run of the same person has waiting is not before them.
        for arrival, item in sorted(
            enumerate(self.waiting), key=lambda entry: (entry[1].is_evaluation, entry[0])
        ):
            before = everything if item.is_evaluation else chats
            rounds.append((before[item.owner_id], item.is_evaluation, arrival, item))
            everything[item.owner_id] += 1
            chats[item.owner_id] += not item.is_evaluation
        return [entry[-1] for entry in sorted(rounds, key=lambda entry: entry[:-1])]


def next_replies(count: int, free: Mapping[str, int] | None = None) -> list[UUID]:
    """Waiting replies that a worker with `count` free places may claim now.

    Replies of a person beyond LLMLORA_CHAT_REPLIES_PER_OWNER wait until one of theirs is over, places or no places.

    Args:
        free: places by back end, so that a slow one holds up no other; as many as there are in all when not given.
    """
    taken: Counter[str] = Counter()
    line = Line.read()
    chats = _count_chats(line.under_way)
    everything = Counter(item.owner_id for item in line.under_way)
    chosen: list[UUID] = []
    for item in line.in_turn():
        if len(chosen) == count:
            break
        if free is not None and taken[item.backend] >= free.get(item.backend, 0):
            continue
        under_way = everything if item.is_evaluation else chats
        if under_way[item.owner_id] < settings.CHAT_REPLIES_PER_OWNER:
            taken[item.backend] += 1
            everything[item.owner_id] += 1
            chats[item.owner_id] += not item.is_evaluation
            chosen.append(item.reply_id)
    return chosen


def backend_of(reply: Reply) -> str:
    """Where a reply is drawn; of one that was read with its answerer and base model."""
    base_model = reply.answerer.base_model
    return backend_name(
        base_model.source,
        base_model.name,
        is_tuned=reply.answerer.kind == TUNED,
        is_scored=bool(reply.scored_text),
    )


def _count_chats(items: Iterable[Queued]) -> Counter[int]:
    """How many of these each person has, without those of prompt sets."""
    return Counter(item.owner_id for item in items if not item.is_evaluation)


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
    waiting = [item for item in Line.read().waiting if not item.is_evaluation]
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
