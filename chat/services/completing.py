"""A program's request: a conversation of one message, which brings its earlier turns along, and one reply."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from chat import lifecycle
from chat.models import ChatSession, Message, Reply
from chat.queueing import admit
from chat.selectors import ACTIVE
from chat.services.opening import base_answerer, save_session, tuned_answerer
from chat.tasks import answer
from common.poke import poke_on_commit
from engine.protocol import ChatTurn
from modelhub.models import BaseModel
from training.models import TrainingJob

KEPT = timedelta(hours=settings.IDEMPOTENCY_HOURS)
"""So long a request with the same Idempotency-Key gets the same answer."""
PURGED_AT_ONCE = 200


@transaction.atomic
def ask(
    owner: User, model: TrainingJob | BaseModel, *, turns: list[ChatTurn], sampling: dict[str, Any]
) -> Reply:
    """Queue the answer to the last of these turns.

    Raises:
        TooManyRequestsError: the person asks too often, or too many answers wait already.
    """
    admit(owner, 1)
    answerer = tuned_answerer(model) if isinstance(model, TrainingJob) else base_answerer(model)
    session = ChatSession(owner=owner, name=answerer.label, kind=ChatSession.Kind.API)
    save_session(session, [answerer])
    *history, question = turns
    message = Message.objects.create(session=session, text=question["content"], history=history)
    reply = Reply.objects.create(message=message, answerer=answerer, sampling=sampling)
    session.head = message
    session.save(update_fields=["head"])
    poke_on_commit(answer, str(reply.pk))
    return reply


def withdraw(reply: Reply) -> None:
    """Nobody waits for the answer any more: the place that it holds is given back."""
    lifecycle.request_cancel(reply.message.session_id)


def purge(older_than: timedelta = KEPT) -> int:
    """Delete what programs asked longer ago than that and was answered; returns how many requests."""
    cutoff = timezone.now() - older_than
    old = ChatSession.objects.filter(kind=ChatSession.Kind.API, created_at__lt=cutoff)
    done = old.exclude(messages__replies__status__in=ACTIVE).order_by("created_at")
    count = 0
    while session_ids := list(done.values_list("pk", flat=True)[:PURGED_AT_ONCE]):
        ChatSession.objects.filter(pk__in=session_ids).delete()
        count += len(session_ids)
    return count
