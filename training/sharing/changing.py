"""Let a cohort use an adapter, and take that back: the owner's choice alone."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import Cohort, User
from common.errors import ConflictError, NotFoundError
from training.models import JobShare, TrainingJob


def set_share(
    owner: User, job: TrainingJob, cohort_id: UUID, *, is_talkable: bool, is_in_arena: bool
) -> JobShare | None:
    """What the cohort may do with the adapter from now on; None when that is nothing.

    Raises:
        NotFoundError: the job is somebody else's, or the person is in no such cohort.
        ConflictError: the job has no adapter.
    """
    if job.owner_id != owner.pk:
        raise NotFoundError(_("There is no training job with this id, or it is not yours."))
    _check_cohort(owner, cohort_id)
    with transaction.atomic():
        # Locked: of two changes at once the second one holds, and neither fails on the other's row.
        current = TrainingJob.objects.select_for_update(of=("self",)).get(pk=job.pk)
        if not (is_talkable or is_in_arena):
            JobShare.objects.filter(job=current, cohort_id=cohort_id).delete()
            return None
        _check_adapter(current)
        share, _is_new = JobShare.objects.update_or_create(
            job=current,
            cohort_id=cohort_id,
            defaults={"is_talkable": is_talkable, "is_in_arena": is_in_arena},
        )
    return share


def _check_cohort(owner: User, cohort_id: UUID) -> None:
    if not Cohort.objects.of(owner).filter(pk=cohort_id).exists():
        raise NotFoundError(
            _("You are in no such class, so nothing was shared. Ask your instructor to add you.")
        )


def _check_adapter(job: TrainingJob) -> None:
    if job.status != TrainingJob.Status.COMPLETED or not hasattr(job, "adapter"):
        raise ConflictError(
            _("Only a completed job has an adapter to share. Wait until the job is completed.")
        )
