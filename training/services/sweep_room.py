"""Whether all jobs of a sweep fit into what a person may have waiting or running."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import ngettext

from accounts.models import Cohort, ComputePolicy, User
from common.errors import TooManyRequestsError
from training.models import TrainingJob
from training.services.quotas import MAX_ACTIVE_JOBS_PER_PERSON, check_queue

RETRY_SECONDS = 60


def check_room(owner: User, jobs: Sequence[TrainingJob]) -> None:
    """Refuse jobs of which not all fit; they all count in the same class.

    Raises:
        TooManyRequestsError: with the limit and what to do.
    """
    cohort = jobs[0].cohort
    check_queue(owner, cohort)
    for refusal in (
        _refusal_by_person(owner, len(jobs)),
        _refusal_by_class(owner, cohort, len(jobs)),
    ):
        if refusal:
            raise TooManyRequestsError(refusal, retry_after_seconds=RETRY_SECONDS)


def _refusal_by_person(owner: User, count: int) -> str:
    free = MAX_ACTIVE_JOBS_PER_PERSON - TrainingJob.objects.visible_to(owner).active().count()
    if count <= free:
        return ""
    return ngettext(
        "The sweep has %(count)d jobs, and you may have %(limit)d jobs waiting or running: there is room for "
        "%(free)d more. Take fewer values, or wait until some of your jobs have ended.",
        "The sweep has %(count)d jobs, and you may have %(limit)d jobs waiting or running: there is room for "
        "%(free)d more. Take fewer values, or wait until some of your jobs have ended.",
        free,
    ) % {"count": count, "limit": MAX_ACTIVE_JOBS_PER_PERSON, "free": free}


def _refusal_by_class(owner: User, cohort: Cohort | None, count: int) -> str:
    policy = ComputePolicy.objects.filter(cohort=cohort).first() if cohort else None
    if policy is None or policy.max_queued_jobs is None:
        return ""
    waiting = TrainingJob.objects.filter(
        owner=owner, cohort=cohort, status=TrainingJob.Status.PENDING
    ).count()
    free = policy.max_queued_jobs - waiting
    if count <= free:
        return ""
    return ngettext(
        "The sweep has %(count)d jobs, and your class allows each student %(limit)d waiting jobs: there is room "
        "for %(free)d more. Take fewer values, or wait until some of your jobs have started.",
        "The sweep has %(count)d jobs, and your class allows each student %(limit)d waiting jobs: there is room "
        "for %(free)d more. Take fewer values, or wait until some of your jobs have started.",
        free,
    ) % {"count": count, "limit": policy.max_queued_jobs, "free": free}
