"""A class that works at a small course, for the tests of what its leaders see while it does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.utils import timezone

from accounts.models import Cohort, Membership, User
from courses.models import CohortCourse, Enrolment, StepProgress
from courses.services.enrolling import begin_course
from courses.tests.factories import publish_sample
from courses.tests.writing import HELLO, QUIZ

TRAIN: dict[str, Any] = HELLO | {
    "kind": "train",
    "minutes": 4,
    "weight": 1,
    "checks": [{"key": "job", "is": "job.completed"}],
}
STEPS: dict[str, dict[str, Any]] = {"hello": HELLO, "train": TRAIN, "quiz": QUIZ}

Role = Membership.Role


def make_class(folder: Path, leader: User, *, name: str = "Class 1") -> CohortCourse:
    """A class with a leader that takes the course `sample`: hello, train, quiz."""
    course = publish_sample(folder, STEPS)
    cohort = Cohort.objects.create(name=name)
    join(cohort, leader, Role.INSTRUCTOR)
    version = course.versions.get()
    return CohortCourse.objects.create(cohort=cohort, course=course, version=version)


def join(cohort: Cohort, person: User, role: Role = Role.STUDENT) -> None:
    Membership.objects.create(cohort=cohort, user=person, role=role)


def make_member(pinned: CohortCourse, username: str) -> Enrolment:
    """A student of the class who has begun the course."""
    person = User.objects.create_user(username)
    join(pinned.cohort, person)
    return begin_course(person, pinned.course)[0]


def be_at(enrolment: Enrolment, step_key: str, *, minutes: float = 1, **fields: Any) -> None:
    """The student opened a step so long ago, passed those before it in a minute each, and is there now."""
    now = timezone.now()
    for before in STEPS:
        if before == step_key:
            break
        pass_step(enrolment, before)
    values: dict[str, Any] = {
        "state": StepProgress.State.WORKING,
        "first_opened_at": now - timedelta(minutes=minutes),
        "last_seen_at": now,
    }
    StepProgress.objects.update_or_create(
        enrolment=enrolment, step_key=step_key, defaults=values | fields
    )
    Enrolment.objects.filter(pk=enrolment.pk).update(last_step_key=step_key)
    enrolment.refresh_from_db()


def pass_step(enrolment: Enrolment, step_key: str, *, active_seconds: int = 60) -> None:
    StepProgress.objects.update_or_create(
        enrolment=enrolment,
        step_key=step_key,
        defaults={
            "state": StepProgress.State.PASSED,
            "passed_at": timezone.now(),
            "active_seconds": active_seconds,
        },
    )


FAILED_CHECK: dict[str, Any] = {
    "job": {"outcome": "fail", "reason": "job_missing", "observed": {}, "wanted": {}}
}

ClientOf = Callable[[User], Any]
