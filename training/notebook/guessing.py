"""A guess counts only when it was written before anything was measured."""

from __future__ import annotations

from django.db.models import Q
from django.utils.translation import gettext as _

from training.models import TrainingJob


def unmeasured() -> Q:
    """Jobs whose guess is still open. The loss outlives a lost attempt, the step at hand does not."""
    return Q(
        status__in=[TrainingJob.Status.PENDING, TrainingJob.Status.RUNNING],
        current_step=0,
        loss=None,
    )


def can_guess(job: TrainingJob) -> bool:
    """As `unmeasured`, of a job that was read already."""
    return job.is_active and job.current_step == 0 and job.loss is None


def guess_lock_sentence(job: TrainingJob) -> str:
    """Why the guess can not be changed any more; empty while it can."""
    if can_guess(job):
        return ""
    if not job.is_active and job.loss is None:
        return _("The job is over, so there is nothing left to guess.")
    return _(
        "The first step was measured, so the guess stays as it is: "
        "what was written afterwards would be no guess."
    )
