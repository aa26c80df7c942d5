"""The adapters that take part in the arena of a class, and what a person may do there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts.models import Cohort, Membership
from chat.selectors import Person
from common.errors import NotFoundError
from training.sharing.selectors import arena_shares

MAX_ENTRIES = 200
"""The newest of a class; more are neither compared nor drawn in a page's time."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One adapter in an arena, as its owner lets the class know it."""

    job_id: UUID
    name: str
    owner_id: int
    owner_name: str
    base_model_name: str
    questions: tuple[str, ...] = ()


def entries_of(cohort: Cohort) -> list[Entry]:
    """In one query, the oldest first."""
    shares = arena_shares(cohort.pk).filter(job__base_model__is_enabled=True)
    rows = shares.select_related("job__owner", "job__base_model").order_by("-created_at", "pk")
    entries = [
        Entry(
            job_id=share.job_id,
            name=share.job.name,
            owner_id=share.job.owner_id,
            owner_name=str(share.job.owner),
            base_model_name=share.job.base_model.name,
            questions=tuple(share.job.sample_prompts),
        )
        for share in rows[:MAX_ENTRIES]
    ]
    return entries[::-1]


def rivals_of(user: Person, entries: Sequence[Entry]) -> list[Entry]:
    """Those that the person may judge: nobody's own."""
    return [entry for entry in entries if entry.owner_id != user.pk]


def arena_cohorts(user: Person) -> QuerySet[Cohort]:
    """The classes whose arena the person may see: all in which they have any role."""
    return Cohort.objects.of(user).order_by("name", "pk")


def get_arena_cohort(user: Person, cohort_id: UUID) -> Cohort:
    """The class, when the person is in it.

    Raises:
        NotFoundError: there is no such class, or the person is not in it.
    """
    cohort = arena_cohorts(user).filter(pk=cohort_id).first()
    if cohort is None:
        raise NotFoundError(_("There is no class with this id, or you are not in it."))
    return cohort


def may_vote(user: Person, cohort: Cohort) -> bool:
    """Observers only look."""
    if not user.is_authenticated:
        return False
    own = Membership.objects.filter(cohort=cohort, user_id=user.pk)
    return own.exclude(role=Membership.Role.OBSERVER).exists()
