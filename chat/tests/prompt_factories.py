"""Real runs of prompt sets for tests, and answers written as a worker writes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from accounts.models import User
from chat import lifecycle
from chat.models import PromptRun, PromptSet, Reply
from chat.prompt_sets.items import Item
from chat.prompt_sets.running import advance
from chat.selectors import ACTIVE
from chat.services.prompt_runs import RunOrder, start_run
from chat.services.prompt_sets import create_set
from chat.tests.factories import TIMINGS, USAGE, start_reply, write_pieces
from training.models import TrainingJob
from training.tests.factories import make_completed_job

Answer = Callable[[Reply], str]


def make_items(count: int = 3) -> list[Item]:
    return [Item(f"Who waters bed {number}?", f"Class {number}B.") for number in range(count)]


def make_set(owner: User, *, name: str = "Garden questions", count: int = 3) -> PromptSet:
    return create_set(owner, name=name, items=make_items(count))


def make_run(
    owner: User, *, count: int = 3, job: TrainingJob | None = None, **order: Any
) -> PromptRun:
    """A tuned model beside its base model, unless the order names others."""
    job = job or make_completed_job(owner)
    chosen: dict[str, Any] = {
        "models": [f"job-{job.pk}", job.base_model.name],
        "set_id": make_set(owner, count=count).pk,
    }
    return start_run(owner, RunOrder(**chosen | order))


def waiting_replies(run: PromptRun) -> list[Reply]:
    rows = Reply.objects.filter(message__session=run.session_id, status__in=ACTIVE)
    return list(rows.select_related("message", "answerer").order_by("created_at", "take"))


def answer_reply(reply: Reply, text: str, *, loss: float = 1.5) -> None:
    """As an engine does it: of a scored reply the loss, else the text."""
    lease = start_reply(reply)
    if not reply.scored_text:
        write_pieces(lease, [text])
    lifecycle.complete(
        lease,
        finish_reason="stop",
        usage=USAGE,
        timings=TIMINGS,
        loss=loss if reply.scored_text else None,
    )


def answer_all(run: PromptRun, answer: Answer | None = None) -> PromptRun:
    """Until the run is over; by default the tuned model is always right, the base model never."""
    answer = answer or right_when_tuned
    while replies := waiting_replies(run):
        for reply in replies:
            answer_reply(reply, answer(reply), loss=0.5 if reply.target == "tuned" else 2.0)
        advance(run.pk)
    run.refresh_from_db()
    return run


def right_when_tuned(reply: Reply) -> str:
    number = reply.message.text.removesuffix("?").rpartition(" ")[2]
    return f"class {number}b" if reply.target == "tuned" else "I do not know."
