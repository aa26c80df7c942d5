"""What is left of an erased dataset that somebody else's job refers to: numbers, and nothing that a person wrote."""

from __future__ import annotations

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import override

from accounts.models import User
from common.storage import delete_prefix
from datasets_app.models import Dataset
from datasets_app.storing import dataset_prefix


def leave_remainder(dataset: Dataset, heir: User) -> None:
    """Give the emptied dataset to a person whose job refers to it, so that the job keeps its numbers.

    Done again it changes nothing more.
    """
    prefix = dataset_prefix(dataset.pk)
    with override(heir.language or settings.LANGUAGE_CODE):
        name = _("Erased dataset")
        description = _(
            "The person who made it had it erased. Its examples are gone; what your job measured stays."
        )
    # The files first: nothing would find them any more once the rows are somebody else's.
    delete_prefix(prefix)
    with transaction.atomic():
        dataset.imports.all().delete()
        dataset.contributions.all().delete()
        dataset.versions.update(
            size_bytes=0,
            issues=[],
            statistics={},
            source_name="",
            source_mapping={},
            change={},
            created_by=None,
        )
        Dataset.objects.filter(pk=dataset.pk).update(
            owner=heir,
            name=name,
            description=description,
            visibility=Dataset.Visibility.PRIVATE,
            cohort=None,
            course="",
            collects_rows=False,
            forked_from=None,
        )
