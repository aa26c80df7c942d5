"""Legal state changes of a reply. Queues nothing, so services and workers both may call it.

pending -> running -> completed | failed | cancelled; pending -> cancelled.

Whoever locks several rows takes replies before sessions, and both by their ids, so that nobody waits in a circle.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet, TextField, Value
from django.db.models.functions import Concat, Length
from django.dispatch import Signal
from django.utils import timezone

from chat.events import ChatEvent, publish_events
from chat.models import ChatSession, Reply
from chat.queueing import backend_of, next_replies
from chat.selectors import ACTIVE
from modelhub.chat_servers import ENGINE

Status = Reply.Status
Numbered = tuple[uuid.UUID, dict[str, Any]]
reply_ended = Signal()
"""Sent with a session_id once it is committed that replies of that session have ended."""


class LeaseLostError(Exception):
    """The reply is not this worker's any more: stop, and write nothing."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right of one worker to write to one reply, and where that is drawn."""

    reply_id: uuid.UUID
    session_id: uuid.UUID
    token: uuid.UUID
    backend: str = ENGINE


@dataclass(frozen=True, slots=True)
class Piece:
    """Text that comes next in a reply; offset counts the characters before it."""

    lease: Lease
    offset: int
    text: str


@dataclass(frozen=True, slots=True)
class Standing:
    """What became of replies under way, by their ids.

    Attributes:
        lost: those that are somebody else's or over.
        asked_to_stop: those whose reader wants no more.
    """

    lost: frozenset[uuid.UUID]
    asked_to_stop: frozenset[uuid.UUID]


# --- claiming ---------------------------------------------------------------------------------------


def claim_next(count: int, worker_name: str, free: Mapping[str, int] | None = None) -> list[Lease]:
    """Take up to `count` of the waiting replies whose turn it is; of each back end as many as it has places free."""
    # Looked at first, since the transaction of a claim keeps every other writer of SQLite waiting.
    if not Reply.objects.filter(status=Status.PENDING).exists():
        return []
    with transaction.atomic():
        return _claim(next_replies(count, free), worker_name)


def claim(reply_id: uuid.UUID | str, worker_name: str) -> Lease | None:
    """Take one waiting reply, or None when it was taken, stopped or deleted."""
    with transaction.atomic():
        return next(iter(_claim([reply_id], worker_name)), None)


def _claim(reply_ids: Iterable[uuid.UUID | str], worker_name: str) -> list[Lease]:
    tokens = {}
    for reply_id in sorted(reply_ids, key=str):
        token = uuid.uuid4()
        waiting = Reply.objects.filter(pk=reply_id, status=Status.PENDING)
        if waiting.update(
            status=Status.RUNNING,
            lease_token=token,
            worker_name=worker_name,
            attempt=F("attempt") + 1,
        ):
            tokens[str(reply_id)] = token
    claimed = Reply.objects.filter(pk__in=list(tokens)).select_related(
        "message", "answerer__base_model"
    )
    leases, events = [], []
    for reply in claimed.order_by("created_at", "pk"):
        token = tokens[str(reply.pk)]
        lease = Lease(reply.pk, reply.message.session_id, token, backend_of(reply))
        leases.append(lease)
        started = {
            "type": "started",
            "message_id": str(reply.message_id),
            "reply_id": str(reply.pk),
            "target": reply.target,
        }
        events.append((lease.session_id, started))
    _publish(events)
    return leases


# --- under way --------------------------------------------------------------------------------------


@transaction.atomic
def write(pieces: Iterable[Piece], quiet: Iterable[Lease] = ()) -> None:
    """Add text to many replies and renew their leases, and those of quiet ones, without new text.

    A reply that is lost gets nothing and disturbs no other; `look` tells which those are.
    """
    events = []
    for piece in sorted(pieces, key=lambda piece: str(piece.lease.reply_id)):
        text = Concat("text", Value(piece.text), output_field=TextField())
        if _held(piece.lease).update(text=text, lease_count=F("lease_count") + 1):
            events.append((piece.lease.session_id, _text_event(piece)))
    tokens = [lease.token for lease in quiet]
    if tokens:
        Reply.objects.filter(lease_token__in=tokens, status=Status.RUNNING).update(
            lease_count=F("lease_count") + 1
        )
    _publish(events)


def _text_event(piece: Piece) -> dict[str, Any]:
    return {
        "type": "text",
        "reply_id": str(piece.lease.reply_id),
        "offset": piece.offset,
        "text": piece.text,
    }


def append_text(lease: Lease, *, offset: int, text: str) -> bool:
    """Add text to one reply and renew its lease; True when the reader asked to stop.

    Raises:
        LeaseLostError: the reply has ended elsewhere.
    """
    with transaction.atomic():
        write([Piece(lease, offset, text)])
        standing = look([lease])
    if lease.reply_id in standing.lost:
        raise LeaseLostError
    return lease.reply_id in standing.asked_to_stop


def look(leases: Iterable[Lease]) -> Standing:
    """How replies under way stand, in one query."""
    by_id = {lease.reply_id: lease for lease in leases}
    rows = Reply.objects.filter(pk__in=list(by_id), status=Status.RUNNING).values_list(
        "pk", "lease_token", "is_cancel_requested"
    )
    held = {pk: is_asked for pk, token, is_asked in rows if token == by_id[pk].token}
    return Standing(
        lost=frozenset(by_id.keys() - held.keys()),
        asked_to_stop=frozenset(pk for pk, is_asked in held.items() if is_asked),
    )


def stored_lengths(leases: Iterable[Lease]) -> dict[uuid.UUID, int]:
    """Characters that stand in the rows: after a lost connection nobody else knows whether a commit came through."""
    rows = Reply.objects.filter(pk__in=[lease.reply_id for lease in leases])
    return dict(rows.annotate(length=Length("text")).values_list("pk", "length"))


# --- the end ----------------------------------------------------------------------------------------


@transaction.atomic
def complete(
    lease: Lease,
    *,
    finish_reason: str,
    usage: dict[str, Any],
    timings: dict[str, Any],
    logprobs: list[dict[str, Any]] | None = None,
    loss: float | None = None,
) -> None:
    _finish(
        lease,
        Status.COMPLETED,
        finish_reason=finish_reason,
        usage=usage,
        timings=timings,
        logprobs=logprobs,
        loss=loss,
    )
    _publish([_finished(lease.session_id, lease.reply_id, finish_reason, usage, timings)])


@transaction.atomic
def finish_cancelled(lease: Lease) -> None:
    """The text so far stays."""
    _finish(lease, Status.CANCELLED, finish_reason="cancelled")
    _publish([_finished(lease.session_id, lease.reply_id, "cancelled", {}, {})])


@transaction.atomic
def fail(lease: Lease, code: str, params: dict[str, Any] | None = None) -> None:
    """The text so far stays."""
    params = params or {}
    _finish(lease, Status.FAILED, finish_reason="error", error_code=code, error_params=params)
    event = {"type": "error", "reply_id": str(lease.reply_id), "code": code, "params": params}
    _publish([(lease.session_id, event)])


@transaction.atomic
def request_cancel(session_id: uuid.UUID) -> int:
    """Stop every reply of a session: waiting ones at once, running ones at the worker's next write."""
    active = Reply.objects.filter(message__session_id=session_id, status__in=ACTIVE)
    reply_ids = list(
        active.select_for_update(of=("self",)).order_by("pk").values_list("pk", flat=True)
    )
    replies = Reply.objects.filter(pk__in=reply_ids)
    asked_count = replies.filter(status=Status.RUNNING).update(is_cancel_requested=True)
    ended = [
        reply_id
        for reply_id in reply_ids
        if Reply.objects.filter(pk=reply_id, status=Status.PENDING).update(
            status=Status.CANCELLED, finish_reason="cancelled", completed_at=timezone.now()
        )
    ]
    _publish([_finished(session_id, reply_id, "cancelled", {}, {}) for reply_id in ended])
    if ended:
        _announce_end(session_id)
    return asked_count + len(ended)


def lose(reply_id: uuid.UUID, token: uuid.UUID) -> None:
    """The worker of a running reply is gone: what it wrote stays, and the reader is told."""
    session_id = (
        Reply.objects.values_list("message__session_id", flat=True).filter(pk=reply_id).first()
    )
    if session_id is None:
        return
    try:
        fail(Lease(reply_id, session_id, token), "worker_stopped")
    except LeaseLostError:
        return


def _held(lease: Lease) -> QuerySet[Reply]:
    return Reply.objects.filter(pk=lease.reply_id, lease_token=lease.token, status=Status.RUNNING)


def _finish(lease: Lease, status: Reply.Status, **fields: Any) -> None:
    changed = _held(lease).update(
        status=status, lease_token=None, completed_at=timezone.now(), **fields
    )
    if not changed:
        raise LeaseLostError
    _announce_end(lease.session_id)


def _announce_end(session_id: uuid.UUID) -> None:
    transaction.on_commit(
        lambda: reply_ended.send_robust(sender=Reply, session_id=session_id), robust=True
    )


# --- telling ----------------------------------------------------------------------------------------


def tell(session_id: uuid.UUID, event: dict[str, Any]) -> None:
    """Within a transaction: let the other windows of a chat know what its owner changed in one of them."""
    _publish([(session_id, event)])


def _finished(
    session_id: uuid.UUID,
    reply_id: uuid.UUID,
    finish_reason: str,
    usage: dict[str, Any],
    timings: dict[str, Any],
) -> Numbered:
    event = {
        "type": "finished",
        "reply_id": str(reply_id),
        "finish_reason": finish_reason,
        "usage": usage,
        "timings": timings,
    }
    return session_id, event


def _publish(events: list[Numbered]) -> None:
    """Give each event its session's next number, and send them after commit; those of deleted sessions are dropped."""
    counts = Counter(session_id for session_id, _event in events)
    if not counts:
        return
    # The lock keeps two workers of one session from the same number; SQLite's transaction holds one anyway.
    rows = ChatSession.objects.select_for_update().filter(pk__in=list(counts)).order_by("pk")
    last = dict(rows.values_list("pk", "event_seq"))
    for count in sorted(set(counts.values())):
        session_ids = [session_id for session_id, own in counts.items() if own == count]
        ChatSession.objects.filter(pk__in=session_ids).update(event_seq=F("event_seq") + count)
    numbered: list[tuple[uuid.UUID, ChatEvent]] = []
    for session_id, event in events:
        if session_id in last:
            last[session_id] += 1
            numbered.append((session_id, {**event, "seq": last[session_id]}))  # type: ignore[arg-type]
    transaction.on_commit(lambda: publish_events(numbered), robust=True)
