"""A program's request: a conversation of one message, which brings its earlier turns along, and one reply."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from accounts.models import User
from chat import lifecycle
from chat.models import ChatSession, Message, Reply
from chat.queueing import admit
from chat.services.opening import base_answerer, save_session, tuned_answerer
from chat.services.purging import drop_oldest_requests
from chat.tasks import answer
from common.poke import poke_on_commit
from engine.protocol import ChatTurn
from modelhub.models import BaseModel
from training.models import TrainingJob


@transaction.atomic
def ask(
    owner: User, model: TrainingJob | BaseModel, *, turns: list[ChatTurn], sampling: dict[str, Any]
) -> Reply:
    """Queue the answer to the last of these turns.

    Raises:
        TooManyRequestsError: the person asks too often, or too many answers wait already.
    """
    admit(owner, 1)
    drop_oldest_requests(owner)
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
