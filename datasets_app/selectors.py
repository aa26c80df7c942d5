"""Reads of datasets, shared by pages, API and tasks; scoped to a user."""

from __future__ import annotations

import json
from itertools import islice
from typing import Any, cast
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from common.errors import NotFoundError, UnavailableError
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
