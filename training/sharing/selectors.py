"""Reads of shared adapters. A share holds while its job has an adapter and its owner is still in the cohort."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.models import Cohort, Membership
from training.models import JobShare, TrainingJob

Person = AbstractBaseUser | AnonymousUser
RELATED = ("base_model", "dataset_version__dataset", "eval_dataset_version__dataset", "adapter")
"""As of the jobs that a person owns (training.selectors)."""
OFFERED_JOBS = 200


@dataclass(frozen=True, slots=True)
class SharedJob:
    """A classmate's job whose adapter a person may talk to.

    Attributes:
        job: with its base model and its owner.
        owner_name: as the owner wants to be called.
        cohort_names: the classes in which it is shared with this person.
    """

    job: TrainingJob
    owner_name: str
    cohort_names: tuple[str, ...]


def holding_shares() -> QuerySet[JobShare]:
    """Every share that holds now."""
    owner_is_there = Membership.objects.filter(
        cohort_id=OuterRef("cohort_id"), user_id=OuterRef("job__owner_id")
    )
    return JobShare.objects.filter(
        Exists(owner_is_there),
        job__status=TrainingJob.Status.COMPLETED,
        job__adapter__isnull=False,
    )


def arena_shares(cohort_id: UUID) -> QuerySet[JobShare]:
    """Those that take part in the duels of a cohort."""
    return holding_shares().filter(cohort_id=cohort_id, is_in_arena=True)


def usable_jobs(user: Person) -> QuerySet[TrainingJob]:
    """Jobs whose adapter the person may talk to, newest first: their own, and those that classmates share."""
    if not user.is_authenticated:
        return TrainingJob.objects.none()
    shared = _talkable_shares(user).order_by().values("job_id")
    return TrainingJob.objects.filter(
        Q(owner_id=user.pk) | Q(pk__in=shared),
        status=TrainingJob.Status.COMPLETED,
        adapter__isnull=False,
    ).select_related(*RELATED)


def shared_jobs(user: Person, *, limit: int = OFFERED_JOBS) -> list[SharedJob]:
    """What classmates share with the person, newest first, in one query."""
    if not user.is_authenticated:
        return []
    shares = _talkable_shares(user).exclude(job__owner_id=user.pk)
    rows = shares.select_related("cohort", "job__owner", "job__base_model").order_by(
        "-job__created_at", "cohort__name"
    )
    return _by_job(rows)[:limit]


def shares_of(job: TrainingJob) -> list[tuple[Cohort, JobShare | None]]:
    """Each cohort of the job's owner, with what the owner allows there."""
    shares = {share.cohort_id: share for share in job.shares.all()}
    cohorts = Cohort.objects.filter(memberships__user_id=job.owner_id).order_by("name", "pk")
    return [(cohort, shares.get(cohort.pk)) for cohort in cohorts]


def _talkable_shares(user: Person) -> QuerySet[JobShare]:
    own_cohorts = Cohort.objects.of(user).values("pk")
    return holding_shares().filter(is_talkable=True, cohort_id__in=own_cohorts)


def _by_job(shares: Iterable[JobShare]) -> list[SharedJob]:
    """One entry for each job, however many classes it is shared in."""
    jobs: dict[UUID, TrainingJob] = {}
    names: dict[UUID, list[str]] = {}
    for share in shares:
        jobs.setdefault(share.job_id, share.job)
        names.setdefault(share.job_id, []).append(share.cohort.name)
    return [SharedJob(job, str(job.owner), tuple(names[pk])) for pk, job in jobs.items()]
