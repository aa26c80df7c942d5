"""A course with hidden questions, and measurements as a worker writes them, for tests."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from django.utils import timezone

from accounts.models import User
from courses.lifecycle import measuring
from courses.models import Enrolment, HiddenMeasurement
from courses.services.measuring import measure
from courses.services.publishing import publish_courses
from courses.tests.factories import enrol
from courses.tests.writing import HELLO, write_course
from training.models import TrainingJob

STEP = "measure"
LEAST = 0.1
MEASURE: dict[str, Any] = HELLO | {
    "unlock": "any",
    "checks": [{"key": "gain", "is": "hidden.gain", "with": {"min_nats": LEAST}}],
}
TINY = "tiny-long"
"""The hidden answers are longer than what the shortest of the test models reads."""


def enrol_in_measuring(user: User, folder: Path) -> Enrolment:
    """In the course `sample` of the level that has hidden questions, which began an hour ago."""
    steps = {"hello": HELLO | {"unlock": "any"}, STEP: MEASURE, "last": HELLO}
    write_course(folder / "sample", about={"level": 3}, steps=steps)
    publish_courses(folder)
    enrolment = enrol(user, "sample")
    Enrolment.objects.filter(pk=enrolment.pk).update(started_at=timezone.now() - timedelta(hours=1))
    enrolment.refresh_from_db()
    return enrolment


def ask(enrolment: Enrolment, job: TrainingJob, step_key: str = STEP) -> HiddenMeasurement:
    return measure(enrolment, step_key, job.pk, language="en")[0]


def finish(row: HiddenMeasurement, *, tuned: float = 1.0, base: float = 2.0) -> None:
    """As a worker does it; the row must be the only one that waits."""
    lease = measuring.claim_next()
    assert lease is not None
    assert lease.measurement_id == row.pk
    gain = base - tuned
    assert measuring.complete(
        lease,
        tuned_loss=tuned,
        base_loss=base,
        gain_low=gain - 0.2,
        gain_high=gain + 0.2,
        digest=row.digest,
        question_count=row.question_count,
    )
    row.refresh_from_db()
