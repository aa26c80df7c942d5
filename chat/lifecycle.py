"""Legal state changes of a reply. Queues nothing, so services and workers both may call it.

pending -> running -> completed | failed | cancelled; pending -> cancelled.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import F, TextField, Value
from django.db.models.functions import Concat
from django.utils import timezone

from chat.events import ChatEvent, publish_event
from chat.models import ChatSession, Reply

Status = Reply.Status


class LeaseLostError(Exception):
    """The reply is not this worker's any more: stop, and write nothing."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right of one worker to write to one reply."""

    reply_id: uuid.UUID
    session_id: uuid.UUID
    token: uuid.UUID


@transaction.atomic
def claim(reply_id: uuid.UUID | str, worker_name: str) -> Lease | None:
    """Take a waiting reply, or None when it was taken, stopped or deleted."""
    token = uuid.uuid4()
    changed = Reply.objects.filter(pk=reply_id, status=Status.PENDING).update(
        status=Status.RUNNING, lease_token=token, worker_name=worker_name, attempt=F("attempt") + 1
    )
    if not changed:
        return None
    reply = Reply.objects.select_related("message", "answerer").get(pk=reply_id)
    lease = Lease(reply.pk, reply.message.session_id, token)
    _publish(
        lease.session_id,
        {
            "type": "started",
            "message_id": str(reply.message_id),
            "reply_id": str(reply.pk),
            "target": reply.target,
        },
    )
    return lease


@transaction.atomic
def append_text(lease: Lease, *, offset: int, text: str) -> bool:
    """Add text to the reply and renew the lease; True when the reader asked to stop.

    Raises:
        LeaseLostError: the reply has ended elsewhere.
    """
    changed = _held(lease).update(
        text=Concat("text", Value(text), output_field=TextField()), lease_count=F("lease_count") + 1
    )
    if not changed:
        raise LeaseLostError
    if text:
        _publish(
            lease.session_id,
            {"type": "text", "reply_id": str(lease.reply_id), "offset": offset, "text": text},
        )
    return is_cancel_requested(lease)


def is_cancel_requested(lease: Lease) -> bool:
    return Reply.objects.filter(pk=lease.reply_id, is_cancel_requested=True).exists()


@transaction.atomic
def complete(
    lease: Lease, *, finish_reason: str, usage: dict[str, Any], timings: dict[str, Any]
) -> None:
    _finish(lease, Status.COMPLETED, finish_reason=finish_reason, usage=usage, timings=timings)
    _publish_finished(lease.session_id, lease.reply_id, finish_reason, usage, timings)


@transaction.atomic
def finish_cancelled(lease: Lease) -> None:
    """The text so far stays."""
    _finish(lease, Status.CANCELLED, finish_reason="cancelled")
    _publish_finished(lease.session_id, lease.reply_id, "cancelled", {}, {})


@transaction.atomic
def fail(lease: Lease, code: str, params: dict[str, Any] | None = None) -> None:
    """The text so far stays."""
    _finish(lease, Status.FAILED, finish_reason="error", error_code=code, error_params=params or {})
    _publish(
        lease.session_id,
        {"type": "error", "reply_id": str(lease.reply_id), "code": code, "params": params or {}},
    )


@transaction.atomic
def request_cancel(session_id: uuid.UUID) -> int:
    """Stop every reply of a session: waiting ones at once, running ones at the worker's next write."""
    replies = Reply.objects.filter(message__session_id=session_id)
    waiting = list(replies.filter(status=Status.PENDING).values_list("pk", flat=True))
    count = 0
    for reply_id in waiting:
        ended = Reply.objects.filter(pk=reply_id, status=Status.PENDING).update(
            status=Status.CANCELLED, finish_reason="cancelled", completed_at=timezone.now()
        )
        if ended:
            count += 1
            _publish_finished(session_id, reply_id, "cancelled", {}, {})
    return count + replies.filter(status=Status.RUNNING).update(is_cancel_requested=True)


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


def _held(lease: Lease) -> Any:
    return Reply.objects.filter(pk=lease.reply_id, lease_token=lease.token, status=Status.RUNNING)


def _finish(lease: Lease, status: Reply.Status, **fields: Any) -> None:
    changed = _held(lease).update(
        status=status, lease_token=None, completed_at=timezone.now(), **fields
    )
    if not changed:
        raise LeaseLostError


def _publish_finished(
    session_id: uuid.UUID,
    reply_id: uuid.UUID,
    finish_reason: str,
    usage: dict[str, Any],
    timings: dict[str, Any],
) -> None:
    _publish(
        session_id,
        {
            "type": "finished",
            "reply_id": str(reply_id),
            "finish_reason": finish_reason,
            "usage": usage,
            "timings": timings,
        },
    )


def _publish(session_id: uuid.UUID, event: dict[str, Any]) -> None:
    """Give the event the session's next number and send it after commit."""
    # The UPDATE locks the row, so two replies of one session never take the same number.
    ChatSession.objects.filter(pk=session_id).update(event_seq=F("event_seq") + 1)
    seq = ChatSession.objects.values_list("event_seq", flat=True).get(pk=session_id)
    numbered: ChatEvent = {**event, "seq": seq}  # type: ignore[assignment]
    transaction.on_commit(lambda: publish_event(session_id, numbered), robust=True)
