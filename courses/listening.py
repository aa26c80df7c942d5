"""What happens elsewhere and matters to a course: it is noted, and the student's open steps are looked at."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction

from accounts.models import Membership
from common.happenings import Kind
from common.poke import poke
from courses.models import Enrolment, PageView
from courses.tasks import verify

SEEN: dict[Kind, str] = {"job_page_seen": "job_running", "jobs_compared": "comparison"}
"""Kinds of which nothing else keeps a trace."""
LONGEST_SUBJECT = 200


def hear(*, kind: Kind, user_id: int, subject_id: str, **_: Any) -> None:
    """Costs two small queries for people who are in no course."""
    if kind == "class_left":
        _part(user_id, subject_id)
        return
    if not Enrolment.objects.filter(user_id=user_id, completed_at__isnull=True).exists():
        return
    if kind in SEEN:
        _note(user_id, SEEN[kind], subject_id)
    poke(verify, user_id)


def _part(user_id: int, cohort_id: str) -> None:
    """The person goes on alone in the courses that they took with a class, unless they are in it again."""
    if not Membership.objects.filter(cohort_id=cohort_id, user_id=user_id).exists():
        Enrolment.objects.filter(cohort_id=cohort_id, user_id=user_id).update(cohort=None)


def _note(user_id: int, kind: str, subject_id: str) -> None:
    if len(subject_id) > LONGEST_SUBJECT:
        return
    try:
        with transaction.atomic():
            PageView.objects.get_or_create(user_id=user_id, kind=kind, subject_id=subject_id)
    except IntegrityError:
        # Seen twice at the same moment.
        return
