"""Celery entry points of chat."""

from __future__ import annotations

from celery import shared_task


@shared_task(name="chat.answer")
def answer(reply_id: str) -> None:
    """A reply waits for its answer."""
    from chat.execution import answer as run
    from modelhub.lifecycle import worker_name

    run(reply_id, worker_name())
