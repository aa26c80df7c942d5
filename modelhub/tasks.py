"""Celery entry points of models."""

from __future__ import annotations

from celery import shared_task


@shared_task(name="modelhub.pull_model")
def pull_model(pull_id: str) -> None:
    """A pull waits for its turn. It gets a thread of its own; this one is free again at once."""
    from modelhub.pulling_execution import begin_pulls

    begin_pulls([pull_id])
