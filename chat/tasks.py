"""Celery entry points of chat."""

from __future__ import annotations

from celery import shared_task


@shared_task(name="chat.answer")
def answer(reply_id: str) -> None:
    """A reply waits for its answer. The desk decides whose turn it is; this thread is free again at once."""
    from chat.execution import desk

    desk().wake()


@shared_task(name="chat.advance_run")
def advance_run(run_id: str) -> None:
    """Replies of a run have ended: its next questions are put, or it is over."""
    from chat.prompt_sets.running import advance

    advance(run_id)
