"""Delete a dataset with its versions and files."""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.db.models import RestrictedError
from django.utils.translation import gettext as _

from common.errors import ConflictError
from common.storage import delete_prefix
from datasets_app.models import Dataset
from datasets_app.storing import dataset_prefix


def delete_dataset(dataset: Dataset) -> None:
    """Delete a dataset, its versions and their files.

    Raises:
        ConflictError: a training job refers to one of its versions.
    """
    prefix = dataset_prefix(dataset.pk)
    try:
        with transaction.atomic():
            dataset.delete()
            transaction.on_commit(lambda: delete_prefix(prefix), robust=True)
    except (RestrictedError, IntegrityError) as error:
        raise ConflictError(
            _(
                "A training job uses the dataset “%(name)s”, so it can not be deleted. Delete the job first."
            )
            % {"name": dataset.name}
        ) from error
