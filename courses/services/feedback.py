"""Feedback that a leader writes on a student's step or job, and what becomes of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.auditing import note_act
from accounts.models import Cohort, User
from accounts.notifications import notify, withdraw
from common.errors import Fault, InvalidInputError, NotFoundError
from courses.models import Enrolment, Feedback
from courses.selectors.content import content_of
from courses.services.telling import step_subject, step_titles
from training.lifecycle import job_path
from training.models import TrainingJob
from training.services.notes import read_text

MAX_CHARACTERS = 2000


@transaction.atomic
def give_feedback(
    actor: User,
    student: User,
    cohort: Cohort,
    *,
    text: str,
    job_id: UUID | None = None,
    enrolment: Enrolment | None = None,
    step_key: str = "",
) -> Feedback:
    """Tell a student something of one of their jobs, or of a step of their course.

    Raises:
        InvalidInputError: the text is empty, too long, or can not be stored.
        NotFoundError: the job or the step is not this student's in this class.
    """
    text = _read(text)
    if job_id is not None:
        subject, params, path = _about_job(student, cohort, job_id)
        about = {"job_id": str(job_id)}
    else:
        subject, params, path = _about_step(student, cohort, enrolment, step_key)
        about = {"step_key": step_key}
    feedback = Feedback.objects.create(
        cohort=cohort,
        student=student,
        author=actor,
        enrolment=None if job_id is not None else enrolment,
        step_key="" if job_id is not None else step_key,
        job_id=job_id,
        text=text,
    )
    note_act(actor, "feedback_given", cohort=cohort, person=student, **about)
    notify(student.pk, kind="feedback_given", subject=subject, params=params, path=path)
    return feedback


@transaction.atomic
def delete_feedback(actor: User, cohort: Cohort, feedback_id: UUID) -> Feedback:
    """Take back what one wrote oneself.

    Raises:
        NotFoundError: there is no such feedback of this author in this class.
    """
    own = Feedback.objects.filter(pk=feedback_id, cohort=cohort, author=actor)
    feedback = own.select_related("student", "enrolment").first()
    if feedback is None:
        raise NotFoundError(_("There is no feedback with this id that you wrote."))
    Feedback.objects.filter(pk=feedback_id).delete()
    note_act(actor, "feedback_deleted", cohort=cohort, person=feedback.student)
    if not Feedback.objects.filter(**_same_thing(feedback)).exists():
        withdraw(kind="feedback_given", subjects=[_subject(feedback)])
    return feedback


def _same_thing(feedback: Feedback) -> dict[str, Any]:
    return {
        name: getattr(feedback, name) for name in ("student", "job_id", "enrolment", "step_key")
    }


def _subject(feedback: Feedback) -> str:
    if feedback.enrolment_id is None:
        return str(feedback.job_id)
    return step_subject(feedback.enrolment_id, feedback.step_key)


def mark_read(entries: Iterable[Feedback]) -> None:
    """The student sees them now. Writes only where there is something new."""
    new = [entry.pk for entry in entries if entry.read_at is None]
    if new:
        Feedback.objects.filter(pk__in=new, read_at=None).update(read_at=timezone.now())


def _read(text: str) -> str:
    faults: list[Fault] = []
    text = read_text(text, "text", MAX_CHARACTERS, faults)
    if not text and not faults:
        faults.append(Fault(_("Write what the student should know."), field="text"))
    if faults:
        raise InvalidInputError(_("The feedback was not sent."), faults=faults)
    return text


About = tuple[str, dict[str, Any], str]
"""Of a notification: its subject, its params and its path."""


def _about_job(student: User, cohort: Cohort, job_id: UUID) -> About:
    job = TrainingJob.objects.filter(pk=job_id, owner=student, cohort=cohort).only("name").first()
    if job is None:
        raise NotFoundError(_("There is no job with this id in this class."))
    return str(job.pk), {"name": job.name}, f"{job_path(job.pk)}#feedback"


def _about_step(student: User, cohort: Cohort, enrolment: Enrolment | None, step_key: str) -> About:
    is_theirs = (
        enrolment is not None
        and enrolment.user_id == student.pk
        and enrolment.cohort_id == cohort.pk
    )
    if enrolment is None or not is_theirs:
        raise NotFoundError(_("This student does not take this course with this class."))
    step = content_of(enrolment.version_id).step(step_key)
    if step is None:
        raise NotFoundError(_("This course has no such step. It may have been renamed."))
    path = reverse("courses:step_detail", args=[enrolment.course.slug, step_key])
    subject = step_subject(enrolment.pk, step_key)
    return subject, {"titles": step_titles(step)}, f"{path}#feedback"
