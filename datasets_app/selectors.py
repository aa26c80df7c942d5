"""Reads of datasets, shared by pages, API and tasks; scoped to a user."""

from __future__ import annotations

import json
from itertools import islice
from typing import Any, cast
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts.models import Cohort
from common.errors import ForbiddenError, NotFoundError, UnavailableError
from common.storage import read_lines
from datasets_app.models import Dataset, DatasetVersion
from engine.data.records import DatasetType, Example, read_example


def datasets_visible_to(user: AbstractBaseUser | AnonymousUser) -> QuerySet[Dataset]:
    """Newest first; `.latest` of each costs no further query."""
    return Dataset.objects.visible_to(user).prefetch_related("versions")


def get_dataset(user: AbstractBaseUser | AnonymousUser, dataset_id: UUID | str) -> Dataset:
    """One dataset that user may see.

    Raises:
        NotFoundError: there is none, or it is another person's.
    """
    try:
        wanted = UUID(str(dataset_id))
    except ValueError:
        wanted = None
    dataset = datasets_visible_to(user).filter(pk=wanted).first() if wanted else None
    if dataset is None:
        raise NotFoundError(_("There is no such dataset. It may have been deleted."))
    return dataset


def can_edit(user: AbstractBaseUser | AnonymousUser, dataset: Dataset) -> bool:
    """Its owner may change a dataset; a class dataset also those who lead its cohort."""
    if dataset.owner_id == user.pk:
        return True
    return (
        dataset.collects_rows
        and dataset.cohort_id is not None
        and Cohort.objects.led_by(user).filter(pk=dataset.cohort_id).exists()
    )


def get_editable_dataset(user: AbstractBaseUser | AnonymousUser, dataset_id: UUID | str) -> Dataset:
    """One dataset that user may change.

    Raises:
        NotFoundError: there is none that user may see.
        ForbiddenError: user may only read it.
    """
    dataset = get_dataset(user, dataset_id)
    if not can_edit(user, dataset):
        raise ForbiddenError(
            _(
                "“%(name)s” is shared with you to read and to train on. "
                "Make a copy of your own to change it."
            )
            % {"name": dataset.name}
        )
    return dataset


def get_version(dataset: Dataset, number: int) -> DatasetVersion:
    """One version of a dataset.

    Raises:
        NotFoundError: there is none of that number, or it was deleted.
    """
    version = next((known for known in dataset.versions.all() if known.number == number), None)
    if version is None:
        raise NotFoundError(
            _("“%(name)s” has no version %(number)d. It may have been deleted.")
            % {"name": dataset.name, "number": number}
        )
    return version


def latest_version(dataset: Dataset) -> DatasetVersion:
    return dataset.latest


def read_records(version: DatasetVersion, *, limit: int, offset: int = 0) -> list[dict[str, Any]]:
    """Records as they were given, from offset on.

    Raises:
        UnavailableError: the file is not there.
    """
    try:
        return [
            json.loads(line) for line in islice(read_lines(version.file), offset, offset + limit)
        ]
    except FileNotFoundError as error:
        raise UnavailableError(
            _(
                "The file of this dataset is missing on the server. Upload it again, or ask your instructor."
            )
        ) from error


def read_examples(version: DatasetVersion, *, limit: int, offset: int = 0) -> list[Example]:
    """The same records as the model learns from them."""
    dataset_type = cast(DatasetType, version.dataset.type)
    return [
        read_example(record, dataset_type)
        for record in read_records(version, limit=limit, offset=offset)
    ]
