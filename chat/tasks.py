"""Celery entry points of chat."""

from __future__ import annotations

from celery import shared_task


@shared_task(name="chat.answer")
def answer(reply_id: str) -> None:
    """A reply waits for its answer. The desk decides whose turn it is; this thread is free again at once."""
    from chat.execution import desk

    desk().wake()
