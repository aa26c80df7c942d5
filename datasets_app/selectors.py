"""Reads of datasets, shared by pages, API and tasks; scoped to a user."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, cast
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts.models import Cohort
from common.errors import ForbiddenError, NotFoundError
from datasets_app.intake.mapping import ColumnMapping
from datasets_app.intake.quality import answers_of, question_of
from datasets_app.models import ColumnMapping as SavedMapping
from datasets_app.models import Dataset, DatasetImport, DatasetVersion
from datasets_app.versions.overlap import Leak, Overlap, find_overlap
from datasets_app.versions.stored_rows import records_of
from engine.data.records import DatasetType, Example, read_example


def datasets_visible_to(user: AbstractBaseUser | AnonymousUser) -> QuerySet[Dataset]:
    """Newest first; `.latest`, the owner and the cohort of each cost no further query."""
    return (
        Dataset.objects.visible_to(user)
        .select_related("owner", "cohort")
        .prefetch_related("versions")
    )


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
        and dataset.visibility == Dataset.Visibility.COHORT
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


def get_owned_dataset(user: AbstractBaseUser | AnonymousUser, dataset_id: UUID | str) -> Dataset:
    """One dataset that is user's own, so that user may delete it.

    Raises:
        NotFoundError: there is none that user may see.
        ForbiddenError: it is another person's.
    """
    dataset = get_dataset(user, dataset_id)
    if dataset.owner_id != user.pk:
        raise ForbiddenError(
            _("“%(name)s” belongs to another person, who alone can delete it.")
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


def remembered_mappings(user: AbstractBaseUser | AnonymousUser) -> dict[str, ColumnMapping]:
    """What a person chose for files with the same columns before, by signature."""
    stored = SavedMapping.objects.filter(owner_id=user.pk).values_list("signature", "mapping")
    found = {signature: ColumnMapping.from_dict(mapping) for signature, mapping in stored}
    return {signature: mapping for signature, mapping in found.items() if mapping}


def get_import(user: AbstractBaseUser | AnonymousUser, import_id: UUID | str) -> DatasetImport:
    """One of a person's own imports.

    Raises:
        NotFoundError: there is none, or it is another person's.
    """
    found = DatasetImport.objects.filter(pk=import_id, owner_id=user.pk).first()
    if found is None:
        raise NotFoundError(_("There is no such import. It may have been discarded."))
    return found


def find_brought(
    user: AbstractBaseUser | AnonymousUser, object_id: UUID | str
) -> Dataset | DatasetImport:
    """The dataset or the import of that id.

    Raises:
        NotFoundError: there is neither.
    """
    found = DatasetImport.objects.filter(pk=object_id, owner_id=user.pk).first()
    return found or get_dataset(user, object_id)


def open_imports(user: AbstractBaseUser | AnonymousUser) -> list[DatasetImport]:
    """Files of a person that are being checked or wait for a decision, newest first."""
    states = (DatasetImport.State.CHECKING, DatasetImport.State.OPEN, DatasetImport.State.FAILED)
    return list(DatasetImport.objects.filter(owner_id=user.pk, state__in=states))


def latest_version(dataset: Dataset) -> DatasetVersion:
    return dataset.latest


def read_records(version: DatasetVersion, *, limit: int, offset: int = 0) -> list[dict[str, Any]]:
    """Records as they were given, from offset on.

    Raises:
        UnavailableError: the file is not there.
    """
    return list(islice(records_of(version), offset, offset + limit))


def read_examples(version: DatasetVersion, *, limit: int, offset: int = 0) -> list[Example]:
    """The same records as the model learns from them."""
    dataset_type = cast(DatasetType, version.dataset.type)
    return [
        read_example(record, dataset_type)
        for record in read_records(version, limit=limit, offset=offset)
    ]


def leaks_between(
    training: DatasetVersion, evaluation: DatasetVersion, *, limit: int
) -> tuple[Overlap, list[tuple[Leak, str]]]:
    """The overlap of two versions, and the first leaked examples with the beginning of their text.

    Raises:
        UnavailableError: a file is not there.
    """
    overlap = find_overlap(iterate_examples(training), iterate_examples(evaluation))
    wanted = {leak.number: leak for leak in overlap.leaks[:limit]}
    rows: list[tuple[Leak, str]] = []
    for number, example in enumerate(iterate_examples(evaluation), start=1):
        if len(rows) == len(wanted):
            break
        if number in wanted:
            rows.append((wanted[number], question_of(example) or answers_of(example)[0]))
    return overlap, rows


def iterate_examples(version: DatasetVersion) -> Iterator[Example]:
    """Every example of a version, read one by one.

    Raises:
        UnavailableError: the file is not there.
    """
    dataset_type = cast(DatasetType, version.dataset.type)
    return (read_example(record, dataset_type) for record in records_of(version))
