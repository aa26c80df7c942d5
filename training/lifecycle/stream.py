"""Events of a job's live stream, numbered without a gap."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import transaction
from django.db.models import F

from training.events import publish_change
from training.models import TrainingEvent, TrainingJob


def append_events(job_id: uuid.UUID, events: list[tuple[str, Any]]) -> None:
    """Add events with the next dense numbers and tell the sockets after commit; inside the caller's transaction."""
    if not events:
        return
    # The UPDATE locks the row, so two writers never take the same numbers.
    TrainingJob.objects.filter(pk=job_id).update(event_seq=F("event_seq") + len(events))
    last = TrainingJob.objects.values_list("event_seq", flat=True).get(pk=job_id)
    first = last - len(events) + 1
    TrainingEvent.objects.bulk_create(
        TrainingEvent(job_id=job_id, seq=first + offset, type=kind, payload=payload)
        for offset, (kind, payload) in enumerate(events)
    )
    transaction.on_commit(lambda: publish_change(job_id, last), robust=True)
