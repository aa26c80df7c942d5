"""An old version becomes the newest one again, as a version of its own."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import User
from common.errors import ConflictError
from datasets_app.lifecycle import next_number
from datasets_app.models import Dataset, DatasetVersion
from datasets_app.selectors import get_editable_dataset, get_version, latest_version
from datasets_app.services.editing import check_is_newest
from datasets_app.versions.copying import copied_version


def restore_version(user: User, dataset: Dataset, number: int, base_number: int) -> DatasetVersion:
    """Save the examples of version number as the newest version; both share one file.

    Args:
        base_number: the newest version that user saw.

    Raises:
        ForbiddenError: user may only read the dataset.
        NotFoundError: there is no such version.
        ConflictError: base_number is not the newest version any more, or both hold the same examples.
    """
    wanted = get_editable_dataset(user, dataset.pk)
    with transaction.atomic():
        # Locked: the old version is not deleted while its file is taken over.
        current = Dataset.objects.select_for_update().get(pk=wanted.pk)
        newest = latest_version(current)
        check_is_newest(newest, base_number)
        source = get_version(current, number)
        if source.digest == newest.digest:
            raise ConflictError(
                _(
                    "Version %(number)d holds the same examples as the newest one, so there is nothing to restore."
                )
                % {"number": number}
            )
        restored = copied_version(
            source,
            dataset=current,
            number=next_number(current),
            file=source.file,
            change={"code": "restored", "number": number},
            created_by=user,
        )
        restored.save(force_insert=True)
        current.last_number = restored.number
        current.save(update_fields=["updated_at", "last_number"])
    return restored
