"""What a leader does with a student's job: start it again, and show it to the class as an example."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.auditing import note_act
from accounts.models import Cohort, User
from common.errors import ConflictError, Fault, InvalidInputError, TooManyRequestsError
from courses.models import PinnedJob
from training.models import TrainingJob
from training.services.ending import resume_training_job
from training.services.notes import read_line

MAX_NOTE_CHARACTERS = 200
MAX_PINNED = 20
"""More examples than this are a list, not examples."""


def requeue_job(actor: User, job: TrainingJob) -> None:
    """Queue a student's failed or cancelled job once more.

    Raises:
        ConflictError: it would end in the same way, or its owner may not have one more job waiting.
        DiskFullError: the disk is nearly full.
    """
    if job.status == TrainingJob.Status.FAILED and not job.can_resume:
        raise ConflictError(
            _(
                "The same settings would end in the same way, so the job was not started again. "
                "Tell the student what to change."
            )
        )
    try:
        resume_training_job(job, by=actor)
    except TooManyRequestsError as error:
        raise ConflictError(
            _(
                "The student has as many jobs waiting as the class allows, or used up today's device time. "
                "Cancel another job of theirs, or change the limits under “Devices”."
            )
        ) from error


@transaction.atomic
def pin_job(actor: User, cohort: Cohort, job: TrainingJob, *, note: str) -> PinnedJob:
    """Show a completed job to the class as an example; pinned again, its note is changed.

    Raises:
        ConflictError: the job has no result yet, or the class has enough examples.
        InvalidInputError: the note can not be used.
    """
    note = _read_note(note)
    if job.status != TrainingJob.Status.COMPLETED:
        raise ConflictError(_("Only a completed job can be an example. This one has no result."))
    others = PinnedJob.objects.filter(cohort=cohort).exclude(job=job)
    if others.count() >= MAX_PINNED:
        raise ConflictError(
            _("The class has %(count)d examples already. Take one of them down first.")
            % {"count": MAX_PINNED}
        )
    pinned, _is_new = PinnedJob.objects.update_or_create(
        cohort=cohort, job=job, defaults={"note": note, "pinned_by": actor}
    )
    note_act(actor, "job_pinned", cohort=cohort, person=job.owner, job_id=str(job.pk))
    return pinned


@transaction.atomic
def unpin_job(actor: User, cohort: Cohort, job: TrainingJob) -> None:
    """Show it no more; once more changes nothing."""
    deleted, _by_model = PinnedJob.objects.filter(cohort=cohort, job=job).delete()
    if deleted:
        note_act(actor, "job_unpinned", cohort=cohort, person=job.owner, job_id=str(job.pk))


def _read_note(text: str) -> str:
    faults: list[Fault] = []
    note = read_line(text, "note", MAX_NOTE_CHARACTERS, faults)
    if faults:
        raise InvalidInputError(_("The job was not pinned."), faults=faults)
    return note
