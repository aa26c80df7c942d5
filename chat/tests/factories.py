"""Real rows for chat tests: sessions with a tuned or a base model, and answers written as a worker writes them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from accounts.models import User
from chat import lifecycle
from chat.lifecycle import Lease
from chat.models import Answerer, ChatSession, Message, Reply
from chat.services.opening import create_session
from chat.services.sending import send_message
from training.models import TrainingJob
from training.tests.factories import make_base_model, make_completed_job

USAGE = {"prompt_tokens": 21, "completion_tokens": 12}
TIMINGS = {"first_token_seconds": 0.41, "duration_seconds": 1.1, "tokens_per_second": 17.3}


def make_base_session(owner: User, **changes: Any) -> ChatSession:
    return create_session(owner, model_name=make_base_model().name, **changes)


def make_tuned_session(
    owner: User, *, job: TrainingJob | None = None, **changes: Any
) -> ChatSession:
    """By default beside the base model."""
    job = job or make_completed_job(owner)
    return create_session(owner, job_id=job.pk, **{"is_compared": True, **changes})


def make_message(session: ChatSession, text: str = "Who waters bed 3?", **sampling: Any) -> Message:
    return send_message(session, text=text, sampling=sampling)


def reply_of(message: Message, target: str = Answerer.Kind.BASE) -> Reply:
    return message.replies.get(answerer__kind=target)


def start_reply(reply: Reply) -> Lease:
    lease = lifecycle.claim(reply.pk, "test-worker")
    assert lease is not None
    return lease


def write_pieces(lease: Lease, pieces: Iterable[str], *, offset: int = 0) -> int:
    """Add text as a worker does; the offset behind the last piece."""
    for piece in pieces:
        lifecycle.append_text(lease, offset=offset, text=piece)
        offset += len(piece)
    return offset


def finish_reply(lease: Lease, *, finish_reason: str = "stop") -> None:
    lifecycle.complete(lease, finish_reason=finish_reason, usage=USAGE, timings=TIMINGS)


def make_answer(message: Message, *pieces: str, target: str = Answerer.Kind.BASE) -> Reply:
    """A completed reply."""
    reply = reply_of(message, target)
    lease = start_reply(reply)
    write_pieces(lease, pieces)
    finish_reply(lease)
    reply.refresh_from_db()
    return reply
