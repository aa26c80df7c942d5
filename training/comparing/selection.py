"""Which jobs are compared."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from common.errors import NotFoundError
from training.models import TrainingJob
from training.selectors import Person, jobs_visible_to

MIN_JOBS = 2
MAX_JOBS = 6
"""More lines than this can not be told apart."""


def jobs_to_compare(user: Person, job_ids: Sequence[UUID | str]) -> list[TrainingJob]:
    """The person's jobs in the given order, each once.

    Raises:
        NotFoundError: one of them does not exist, or is somebody else's.
    """
    return jobs_among(jobs_visible_to(user), job_ids)


def jobs_among(visible: QuerySet[TrainingJob], job_ids: Sequence[UUID | str]) -> list[TrainingJob]:
    """As jobs_to_compare, for a reader who may see other jobs than their own.

    Raises:
        NotFoundError: one of them is not among the visible ones.
    """
    wanted = list(dict.fromkeys(_read_id(job_id) for job_id in job_ids))
    found = {job.pk: job for job in visible.filter(pk__in=wanted)}
    if len(found) < len(wanted):
        raise NotFoundError(_not_there())
    return [found[job_id] for job_id in wanted]


def count_sentence(count: int) -> str:
    """What to do when so many jobs can not be compared; empty when they can."""
    limits = {"minimum": MIN_JOBS, "maximum": MAX_JOBS}
    if count < MIN_JOBS:
        return _("Choose %(minimum)d to %(maximum)d jobs to see them side by side.") % limits
    if count > MAX_JOBS:
        return _(
            "%(count)d jobs are too many to tell their lines apart. Choose %(maximum)d of them at most."
        ) % (limits | {"count": count})
    return ""


def _read_id(job_id: UUID | str) -> UUID:
    try:
        return UUID(str(job_id))
    except ValueError as error:
        raise NotFoundError(_not_there()) from error


def _not_there() -> str:
    return _("There is no training job with this id, or it is not yours.")
