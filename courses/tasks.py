"""Celery entry points of courses."""

from __future__ import annotations

from celery import shared_task


@shared_task(name="courses.verify")
def verify(user_id: int) -> None:
    """Something of the person's changed: look at the steps that they have open."""
    from courses.execution.verifying import verify_person

    verify_person(user_id)


@shared_task(name="courses.measure")
def measure(measurement_id: str) -> None:
    """A measurement on hidden questions waits; the worker takes whatever waits longest."""
    from courses.execution.measuring import measure_waiting

    measure_waiting()
