"""That a student has a step open, and for how long."""

from __future__ import annotations

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from courses.lifecycle.recording import locked_progress, note_opened
from courses.models import Enrolment, StepProgress
from courses.selectors.progress import standing_of

BEAT_SECONDS = 15
"""A page in front of a person tells so this often."""
LONGEST_BEAT_SECONDS = 2 * BEAT_SECONDS
"""More time than this between two beats was spent elsewhere."""


def open_step(enrolment: Enrolment, step_key: str) -> StepProgress:
    """
    Raises:
        NotFoundError: the course has no such step.
        ConflictError: it is locked.
    """
    standing_of(enrolment).of(step_key).check_open()
    return note_opened(enrolment, step_key, timezone.now())


@transaction.atomic
def beat(enrolment: Enrolment, step_key: str) -> StepProgress:
    """A page of the step is still open. Time is counted by the server's clock, whatever the page says.

    Raises:
        NotFoundError: the course has no such step.
        ConflictError: it is locked.
    """
    standing_of(enrolment).of(step_key).check_open()
    progress = locked_progress(enrolment, step_key)
    now = timezone.now()
    seconds = 0
    if progress.last_seen_at is not None:
        passed = (now - progress.last_seen_at).total_seconds()
        seconds = round(min(max(passed, 0), LONGEST_BEAT_SECONDS))
    progress.last_seen_at = now
    progress.active_seconds += seconds
    progress.save(update_fields=["last_seen_at", "active_seconds"])
    Enrolment.objects.filter(pk=enrolment.pk).update(active_seconds=F("active_seconds") + seconds)
    return progress
