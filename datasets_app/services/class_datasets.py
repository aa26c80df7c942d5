"""Make a class dataset: one to which the members of a cohort add rows."""

from __future__ import annotations

from django.utils.translation import gettext as _

from accounts.models import Cohort, User
from common.errors import ForbiddenError
from datasets_app.models import Dataset
from datasets_app.quotas import check_cohort_quota
from datasets_app.services.creating import create_dataset_from_text
from datasets_app.services.sharing import record_sharing
from datasets_app.sharing.audience import ONLY_OWNER, Audience


def create_class_dataset(
    leader: User,
    cohort: Cohort,
    *,
    name: str,
    description: str,
    dataset_type: str,
    rows: str,
) -> Dataset:
    """A dataset with the rows of its leader, shared with the cohort that adds more.

    Args:
        rows: its first examples, as JSON lines.

    Raises:
        ForbiddenError: leader is neither assistant nor instructor of the cohort.
        InvalidInputError: a fault's line is a line of rows.
        QuotaError: leader or the cohort has no room for it.
        DiskFullError: no room for it.
    """
    if not Cohort.objects.led_by(leader).filter(pk=cohort.pk).exists():
        raise ForbiddenError(_("Only assistants and instructors of a cohort make its datasets."))
    check_cohort_quota(cohort, len(rows.encode()))
    dataset = create_dataset_from_text(
        leader, text=rows, name=name, description=description, dataset_type=dataset_type
    )
    dataset.visibility = Dataset.Visibility.COHORT
    dataset.cohort = cohort
    dataset.collects_rows = True
    dataset.save(update_fields=["visibility", "cohort", "collects_rows"])
    record_sharing(leader, dataset, ONLY_OWNER, Audience(Dataset.Visibility.COHORT, cohort=cohort))
    return dataset
