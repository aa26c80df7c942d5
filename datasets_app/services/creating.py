"""Make a dataset from a file, from text or from records."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, BinaryIO

from django.core.files.uploadedfile import UploadedFile

from accounts.models import User
from common.storage import check_free_space
from datasets_app.labels import Labels, clean_file_name, name_from_file, read_labels
from datasets_app.lifecycle import scratch_file, store_dataset
from datasets_app.models import Dataset
from datasets_app.parsing.pipeline import ParsedDataset, parse_bytes, parse_records, parse_text
from datasets_app.parsing.upload import check_text_size, read_upload


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
        DiskFullError: no room for it.
    """
    labels = read_labels(name, description, dataset_type)
    return _create(
        owner,
        labels,
        lambda sink: parse_records(records, sink=sink, dataset_type=labels.dataset_type),
    )


def create_dataset_from_upload(
    owner: User,
    *,
    file: UploadedFile[bytes],
    name: str = "",
    description: str = "",
    dataset_type: str | None = None,
) -> Dataset:
    """A dataset of a JSON, JSONL or CSV file; without a name it takes that of the file.

    Raises:
        InvalidInputError: a fault's line is a line of the file.
        TooLargeError: more bytes than an upload may have.
        DiskFullError: no room for it.
    """
    file_name = clean_file_name(file.name or "")
    labels = read_labels(name.strip() or name_from_file(file_name), description, dataset_type)
    content = read_upload(file)

    def write(sink: BinaryIO) -> ParsedDataset:
        return parse_bytes(
            content, sink=sink, file_name=file_name, dataset_type=labels.dataset_type
        )

    return _create(owner, labels, write, source_name=file_name)


def create_dataset_from_text(
    owner: User, *, text: str, name: str, description: str = "", dataset_type: str | None = None
) -> Dataset:
    """A dataset of pasted JSON, JSONL or CSV.

    Raises:
        InvalidInputError: a fault's line is a line of the text.
        TooLargeError: more bytes than an upload may have.
        DiskFullError: no room for it.
    """
    labels = read_labels(name, description, dataset_type)
    check_text_size(text)
    return _create(
        owner, labels, lambda sink: parse_text(text, sink=sink, dataset_type=labels.dataset_type)
    )


def _create(
    owner: User,
    labels: Labels,
    write: Callable[[BinaryIO], ParsedDataset],
    *,
    source_name: str = "",
) -> Dataset:
    check_free_space()
    dataset = Dataset(owner=owner, name=labels.name, description=labels.description)
    with scratch_file() as draft:
        with draft.open("wb") as sink:
            parsed = write(sink)
        return store_dataset(dataset, parsed, draft, source_name=source_name)
