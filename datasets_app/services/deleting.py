"""Delete a dataset with its versions and files, or one version."""

from __future__ import annotations

from functools import partial

from django.db import IntegrityError, transaction
from django.db.models import RestrictedError
from django.utils.translation import gettext as _

from accounts.models import User
from common.errors import ConflictError
from common.storage import delete_prefix
from datasets_app.auditing import record_event
from datasets_app.models import Dataset, DatasetEvent
from datasets_app.selectors import get_editable_dataset, get_version
from datasets_app.storing import dataset_prefix, delete_unshared_file


def delete_dataset(dataset: Dataset, *, actor: User | None = None) -> None:
    """Delete a dataset, its versions and their files.

    Args:
        actor: who asked for it; whether that person may is decided by the caller.

    Raises:
        ConflictError: a training job refers to one of its versions.
    """
    prefix = dataset_prefix(dataset.pk)
    try:
        with transaction.atomic():
            record_event(
                actor,
                DatasetEvent.Action.DELETED,
                dataset,
                owner=dataset.owner.get_username(),
                versions=dataset.versions.count(),
            )
            dataset.delete()
            transaction.on_commit(lambda: delete_prefix(prefix), robust=True)
    except (RestrictedError, IntegrityError) as error:
        raise ConflictError(
            _(
                "A training job uses the dataset “%(name)s”, so it can not be deleted. Delete the job first."
            )
            % {"name": dataset.name}
        ) from error


def delete_version(user: User, dataset: Dataset, number: int) -> None:
    """Delete one version, and its file when no other version has it too.

    Raises:
        ForbiddenError: user may only read the dataset.
        NotFoundError: there is no such version.
        ConflictError: a training job refers to it, or it is the only one.
    """
    wanted = get_editable_dataset(user, dataset.pk)
    try:
        with transaction.atomic():
            # Locked: of two people who delete the last two versions, the second is refused.
            current = Dataset.objects.select_for_update().get(pk=wanted.pk)
            version = get_version(current, number)
            if current.versions.count() == 1:
                raise ConflictError(
                    _(
                        "This is the only version of “%(name)s”, so it can not be deleted alone. "
                        "Delete the whole dataset instead."
                    )
                    % {"name": current.name}
                )
            record_event(
                user,
                DatasetEvent.Action.VERSION_DELETED,
                current,
                version=number,
                digest=version.digest,
            )
            version.delete()
            transaction.on_commit(partial(delete_unshared_file, version), robust=True)
    except (RestrictedError, IntegrityError) as error:
        raise ConflictError(
            _(
                "A training job uses version %(number)d, so it can not be deleted. Delete the job first."
            )
            % {"number": number}
        ) from error
