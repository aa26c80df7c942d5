"""Real rows for tests of comparisons: several models in one chat, all of whose answers are written."""

from __future__ import annotations

from typing import Any

from accounts.models import User
from chat.models import ChatSession, Message
from chat.services.opening import create_session
from chat.tests.factories import finish_reply, start_reply, write_pieces
from training.tests.factories import make_base_model, make_completed_job


def make_comparison(owner: User, count: int, **changes: Any) -> ChatSession:
    """Jobs named Tuned 1, Tuned 2 ... and, last, their base model."""
    base = make_base_model()
    jobs = [make_completed_job(owner, name=f"Tuned {number}") for number in range(1, count)]
    names = [*(f"job-{job.pk}" for job in jobs), base.name]
    session = create_session(owner, models=names, **changes)
    return ChatSession.objects.prefetch_related("answerers__base_model").get(pk=session.pk)


def answer_all(message: Message, *texts: str) -> None:
    """Each model's answer, in the order of the models."""
    replies = message.replies.filter(is_chosen=True).order_by("answerer__position")
    for reply, text in zip(replies, texts, strict=True):
        lease = start_reply(reply)
        write_pieces(lease, [text])
        finish_reply(lease)
