"""Jobs that those who lead a class show it as examples, as its members see them."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts.models import Cohort, User
from common.errors import NotFoundError
from courses.models import PinnedJob
from courses.selectors.names import shown_names
from training.models import JobShare


@dataclass(frozen=True, slots=True)
class Example:
    """A pinned job.

    Attributes:
        owner_name: made up, unless its owner shares its adapter with the class under their own name.
    """

    pinned: PinnedJob
    owner_name: str


def examples_for(user: User) -> list[Example]:
    """Those of all classes that a person is in, the newest first; two queries more for each class that has some."""
    return _examples(list(_visible_to(user)))


def example_for(user: User, pinned_id: UUID) -> Example:
    """
    Raises:
        NotFoundError: there is no such example in a class of this person's.
    """
    found = list(_visible_to(user).filter(pk=pinned_id))
    if not found:
        raise NotFoundError(_("There is no example with this id in your classes."))
    return _examples(found)[0]


def _visible_to(user: User) -> QuerySet[PinnedJob]:
    own = Cohort.objects.of(user).values("pk")
    return (
        PinnedJob.objects.filter(cohort__in=own)
        .select_related(
            "cohort",
            "job__owner",
            "job__base_model",
            "job__dataset_version__dataset",
            "job__eval_dataset_version__dataset",
        )
        .order_by("-created_at")
    )


def _examples(pinned: list[PinnedJob]) -> list[Example]:
    cohorts = {entry.cohort_id: entry.cohort for entry in pinned}
    names = {pk: shown_names(cohort, is_projected=True) for pk, cohort in cohorts.items()}
    shares = JobShare.objects.filter(
        cohort__in=cohorts, job__in=[entry.job_id for entry in pinned], is_talkable=True
    )
    shared = set(shares.values_list("cohort_id", "job_id")) if pinned else set()
    return [
        Example(
            entry,
            str(entry.job.owner)
            if (entry.cohort_id, entry.job_id) in shared
            else names[entry.cohort_id].get(entry.job.owner_id, _("Somebody who left the class")),
        )
        for entry in pinned
    ]
