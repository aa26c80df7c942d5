"""How long whoever works on a request has it alone."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from accounts.models import DataRequest

LEASE = timedelta(minutes=30)
"""Longer than any one part takes; after an interruption somebody else goes on then."""


def keep_going(request: DataRequest, done: list[str]) -> None:
    """Put down which parts are finished, and keep the request for the next one."""
    request.done = done
    DataRequest.objects.filter(pk=request.pk, state=DataRequest.State.RUNNING).update(
        done=done, runs_at=timezone.now() + LEASE
    )
