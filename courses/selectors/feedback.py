"""Feedback as its student and those who lead the class read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts.models import Cohort, User
from courses.models import Enrolment, Feedback


@dataclass(frozen=True, slots=True)
class ShownFeedback:
    """
    Attributes:
        is_new: its student has not seen it before.
        is_own: the reader wrote it, and may take it back.
    """

    entry: Feedback
    author: str
    is_new: bool
    is_own: bool


def feedback_on_job(student: User, job_id: UUID) -> list[ShownFeedback]:
    """What was written to a student about a job of theirs, the oldest first."""
    return _shown(Feedback.objects.filter(student=student, job_id=job_id), student)


def feedback_on_step(enrolment: Enrolment, step_key: str, reader: User) -> list[ShownFeedback]:
    """What was written about a step of a person's course, the oldest first."""
    return _shown(Feedback.objects.filter(enrolment=enrolment, step_key=step_key), reader)


def given_on_job(
    reader: User, cohort: Cohort, job_id: UUID, names: Mapping[int, str]
) -> list[ShownFeedback]:
    """What leaders of a class wrote about a job in it.

    Args:
        names: what the page calls the people of the class, by their id.
    """
    return _shown(Feedback.objects.filter(cohort=cohort, job_id=job_id), reader, names)


def given_on_step(
    reader: User, enrolment: Enrolment, step_key: str, names: Mapping[int, str]
) -> list[ShownFeedback]:
    """What leaders wrote about a step of a student's course; names as for a job."""
    return _shown(Feedback.objects.filter(enrolment=enrolment, step_key=step_key), reader, names)


def _shown(
    entries: QuerySet[Feedback], reader: User, names: Mapping[int, str] | None = None
) -> list[ShownFeedback]:
    return [
        ShownFeedback(
            entry,
            _author(entry, names),
            entry.read_at is None,
            entry.author_id == reader.pk,
        )
        for entry in entries.select_related("author")
    ]


def _author(entry: Feedback, names: Mapping[int, str] | None) -> str:
    somebody = _("Somebody who led the class")
    if entry.author is None:
        return somebody
    return str(entry.author) if names is None else names.get(entry.author.pk, somebody)
