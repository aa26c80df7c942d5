"""Ask for one's own job to be measured on the hidden questions of a course."""

from __future__ import annotations

import math
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from common.errors import ConflictError, NotFoundError, TooManyRequestsError
from common.poke import poke_on_commit
from courses.hidden_questions import hidden_digest, hidden_questions
from courses.models import Enrolment, HiddenMeasurement
from courses.selectors.measuring import (
    MEASUREMENTS_A_DAY,
    allowance_of,
    asks_for_measuring,
    measurements_of,
)
from courses.selectors.progress import standing_of
from courses.tasks import measure as measure_task
from training.models import TrainingJob
from training.queue.wording import clock_words

Status = HiddenMeasurement.Status


def measure(
    enrolment: Enrolment, step_key: str, job_id: UUID, *, language: str
) -> tuple[HiddenMeasurement, bool]:
    """A measurement of the job, and whether it is a new one: the same job on the same questions is measured once.

    Raises:
        NotFoundError: the step asks for none, or the student has no such job in this course.
        ConflictError: the step is locked, the job has no adapter, or another measurement is under way.
        TooManyRequestsError: all of the day are used up.
    """
    standing = standing_of(enrolment)
    item = standing.of(step_key)
    item.check_open()
    level = standing.content.about.level
    questions = hidden_questions(level, language)
    if not asks_for_measuring(item.step) or not questions:
        raise NotFoundError(_("At this step nothing is measured on hidden questions."))
    job = _own_job(enrolment, job_id)
    digest = hidden_digest(level, language)
    with transaction.atomic():
        # One after another, so that the last one of the day is given once.
        Enrolment.objects.select_for_update().get(pk=enrolment.pk)
        same = measurements_of(enrolment).exclude(status=Status.FAILED)
        if (known := same.filter(job=job, digest=digest).first()) is not None:
            return known, False
        _admit(enrolment)
        row = HiddenMeasurement.objects.create(
            enrolment=enrolment,
            job=job,
            job_name=job.name,
            language=language,
            digest=digest,
            question_count=len(questions),
            adapter_digest=job.adapter.digest,
        )
        poke_on_commit(measure_task, str(row.pk))
    return row, True


def _own_job(enrolment: Enrolment, job_id: UUID) -> TrainingJob:
    jobs = TrainingJob.objects.filter(
        pk=job_id, owner_id=enrolment.user_id, created_at__gte=enrolment.started_at
    )
    job = jobs.select_related("adapter").first()
    if job is None:
        raise NotFoundError(
            _(
                "You have no such job in this course. Choose one that you started since you began it."
            )
        )
    if job.status != TrainingJob.Status.COMPLETED or not hasattr(job, "adapter"):
        raise ConflictError(
            _(
                "“%(name)s” has no adapter to measure. Wait until it is completed, or choose another."
            )
            % {"name": job.name}
        )
    return job


def _admit(enrolment: Enrolment) -> None:
    under_way = measurements_of(enrolment).filter(status__in=HiddenMeasurement.ACTIVE).first()
    if under_way is not None:
        raise ConflictError(
            _("“%(name)s” is being measured. Wait until that is done, then measure the next one.")
            % {"name": under_way.job_name}
        )
    allowance = allowance_of(enrolment)
    if allowance.next_at is not None:
        seconds = math.ceil((allowance.next_at - timezone.now()).total_seconds())
        sentence = ngettext(
            "You have used the %(count)d measurement that 24 hours allow, for who looks often fits a model to the "
            "hidden questions. The next one is possible at %(time)s.",
            "You have used the %(count)d measurements that 24 hours allow, for who looks often fits a model to the "
            "hidden questions. The next one is possible at %(time)s.",
            MEASUREMENTS_A_DAY,
        ) % {"count": MEASUREMENTS_A_DAY, "time": clock_words(allowance.next_at)}
        raise TooManyRequestsError(sentence, retry_after_seconds=max(1, seconds))
