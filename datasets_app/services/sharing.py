"""Change who may see a dataset."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import Cohort, User
from common.errors import ConflictError, ForbiddenError, InvalidInputError
from datasets_app.auditing import record_event
from datasets_app.models import Dataset, DatasetEvent
from datasets_app.quotas import check_cohort_quota, dataset_bytes
from datasets_app.sharing.audience import COURSES, Audience, audience_of


def share_dataset(actor: User, dataset: Dataset, audience: Audience) -> bool:
    """Let audience see the dataset, and nobody else; whether that changed anything.

    Raises:
        ForbiddenError: actor is not the owner, is in no such cohort, or may not share with a course.
        ConflictError: the rows of a class dataset belong to another cohort.
        QuotaError: the cohort has no room for it.
    """
    if dataset.owner_id != actor.pk:
        raise ForbiddenError(_("Only the owner of a dataset chooses who may see it."))
    with transaction.atomic():
        # Locked: of two changes at once the second sees what the first has made.
        current = Dataset.objects.select_for_update(of=("self",)).get(pk=dataset.pk)
        before = audience_of(current)
        if before == audience:
            return False
        _check(actor, current, audience)
        if audience.cohort is not None:
            check_cohort_quota(audience.cohort, dataset_bytes(current))
        _set_audience(current, audience)
        record_sharing(actor, current, before, audience)
    for field in ("visibility", "cohort", "course"):
        setattr(dataset, field, getattr(current, field))
    return True


def record_sharing(actor: User, dataset: Dataset, before: Audience, after: Audience) -> None:
    """Write down who let whom see a dataset."""
    details = {"before": before.value, "after": after.value}
    # The names too: a cohort may be gone when somebody reads this.
    if before.cohort is not None:
        details["before_cohort"] = before.cohort.name
    if after.cohort is not None:
        details["after_cohort"] = after.cohort.name
    record_event(actor, DatasetEvent.Action.SHARED, dataset, **details)


def _check(actor: User, dataset: Dataset, audience: Audience) -> None:
    if audience.visibility == Dataset.Visibility.COHORT:
        _check_cohort(actor, dataset, audience.cohort)
    elif audience.visibility == Dataset.Visibility.COURSE:
        _check_course(actor, dataset, audience.course)


def _check_cohort(actor: User, dataset: Dataset, cohort: Cohort | None) -> None:
    if cohort is None:
        raise InvalidInputError(_("Choose the cohort that may see the dataset."))
    if not Cohort.objects.of(actor).filter(pk=cohort.pk).exists():
        raise ForbiddenError(
            _("You are not in the cohort “%(name)s”, so you can not share with it.")
            % {"name": cohort.name}
        )
    if dataset.collects_rows and dataset.cohort_id not in (None, cohort.pk):
        raise ConflictError(
            _(
                "A class dataset holds rows of its own cohort, so it can not be shared with another one. "
                "Make a copy and share that."
            )
        )


def _check_course(actor: User, dataset: Dataset, course: str) -> None:
    if not actor.is_staff:
        raise ForbiddenError(_("Only instructors share a dataset with everyone in a course."))
    if course not in COURSES:
        raise InvalidInputError(_("There is no such course."))
    if dataset.collects_rows:
        raise ConflictError(
            _(
                "A class dataset belongs to its cohort, so it can not be shared with a course. "
                "Make a copy and share that."
            )
        )


def _set_audience(dataset: Dataset, audience: Audience) -> None:
    dataset.visibility = audience.visibility
    dataset.course = audience.course
    # A class dataset remembers its cohort: to others its rows are never shown.
    if audience.cohort is not None or not dataset.collects_rows:
        dataset.cohort = audience.cohort
    dataset.save(update_fields=["visibility", "course", "cohort"])
