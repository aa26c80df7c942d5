"""Make a dataset of records, of text or of a file, all at once: it is saved, or everything that is wrong is told."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.files.uploadedfile import UploadedFile

from accounts.models import User
from common.storage import check_free_space
from datasets_app.checking import limits
from datasets_app.intake.mapping import native_mapping
from datasets_app.intake.pipeline import Order, read_records
from datasets_app.labels import Labels, read_labels
from datasets_app.lifecycle import scratch_file, store_dataset
from datasets_app.models import Dataset
from datasets_app.quotas import check_quota
from datasets_app.services.bringing import bring_file, bring_text
from datasets_app.wording.faults import refusal
from engine.data.records import DatasetType


def create_dataset(
    owner: User,
    *,
    name: str,
    description: str = "",
    dataset_type: str | None = None,
    records: list[Any],
) -> Dataset:
    """A dataset of records that a program sent.

    Raises:
        InvalidInputError: a fault's line is the number of the record.
        TooLargeError: the owner's space is used up.
        DiskFullError: no room for it.
    """
    labels = read_labels(name, description, dataset_type)
    return _create(owner, labels, records, Order(limits(), labels.dataset_type), change={})


def create_part(
    owner: User,
    *,
    name: str,
    description: str,
    dataset_type: DatasetType,
    records: Iterable[Any],
    change: dict[str, Any],
) -> Dataset:
    """A dataset of records that another one holds already, so that nothing in them is read in another way.

    Args:
        change: where they come from, as `{code, ...}` (datasets_app.versions.changes).

    Raises:
        TooLargeError: the owner's space is used up.
        DiskFullError: no room for it.
    """
    labels = read_labels(name, description, dataset_type)
    order = Order(limits(), dataset_type, mapping=native_mapping(dataset_type))
    return _create(owner, labels, records, order, change=change)


def _create(
    owner: User, labels: Labels, records: Iterable[Any], order: Order, *, change: dict[str, Any]
) -> Dataset:
    check_free_space()
    dataset = Dataset(owner=owner, name=labels.name, description=labels.description)
    with scratch_file() as draft:
        with draft.open("wb") as sink:
            outcome = read_records(records, sink, order)
        if not outcome.is_clean:
            raise refusal(outcome)
        check_quota(owner, draft.stat().st_size)
        return store_dataset(dataset, outcome, draft, change=change)


def create_dataset_from_upload(
    owner: User,
    *,
    file: UploadedFile[bytes],
    name: str = "",
    description: str = "",
    dataset_type: str | None = None,
) -> Dataset:
    """A dataset of a file that is small enough to be read at once; without a name it takes that of the file.

    Raises:
        InvalidInputError: a fault's line is a line of the file.
        TooLargeError: more bytes than an upload may have.
        DiskFullError: no room for it.
    """
    made = bring_file(
        owner, file=file, name=name, description=description, dataset_type=dataset_type
    )
    assert isinstance(made, Dataset)
    return made


def create_dataset_from_text(
    owner: User, *, text: str, name: str, description: str = "", dataset_type: str | None = None
) -> Dataset:
    """A dataset of pasted JSON, JSONL or CSV.

    Raises:
        InvalidInputError: a fault's line is a line of the text.
        TooLargeError: more bytes than an upload may have.
        DiskFullError: no room for it.
    """
    made = bring_text(
        owner, text=text, name=name, description=description, dataset_type=dataset_type
    )
    assert isinstance(made, Dataset)
    return made
