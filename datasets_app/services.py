"""What a person asks for: make a dataset from a file, from text or from records, and delete one."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.db import IntegrityError, transaction
from django.db.models import RestrictedError
from django.utils.translation import gettext as _

from accounts.models import User
from common.errors import ConflictError
from common.storage import check_free_space, delete_prefix, raise_if_full, save_file, sha256_of_file
from datasets_app.labels import Labels, clean_file_name, name_from_file, read_labels
from datasets_app.models import Dataset, DatasetVersion
from datasets_app.parsing.pipeline import ParsedDataset, parse_bytes, parse_records, parse_text
from datasets_app.parsing.upload import check_text_size, read_upload
from datasets_app.token_stats import measure_tokens


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


def delete_dataset(dataset: Dataset) -> None:
    """Delete a dataset, its versions and their files.

    Raises:
        ConflictError: a training job refers to one of its versions.
    """
    prefix = _prefix(dataset.pk)
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


def _create(
    owner: User,
    labels: Labels,
    write: Callable[[BinaryIO], ParsedDataset],
    *,
    source_name: str = "",
) -> Dataset:
    check_free_space()
    dataset = Dataset(owner=owner, name=labels.name, description=labels.description)
    with _draft() as draft:
        with draft.open("wb") as sink:
            parsed = write(sink)
        dataset.type = parsed.dataset_type
        version = _version(dataset, parsed, draft, source_name)
        # The file comes first: a row without its file would be a dataset that no job can read.
        save_file(version.file, draft)
    try:
        with transaction.atomic():
            dataset.save(force_insert=True)
            version.save(force_insert=True)
    except BaseException:
        delete_prefix(_prefix(dataset.pk))
        raise
    return dataset


def _version(
    dataset: Dataset, parsed: ParsedDataset, draft: Path, source_name: str
) -> DatasetVersion:
    return DatasetVersion(
        dataset=dataset,
        number=1,
        file=f"{_prefix(dataset.pk)}/v1.jsonl",
        digest=sha256_of_file(draft),
        size_bytes=draft.stat().st_size,
        example_count=parsed.example_count,
        character_count=parsed.character_count,
        token_stats=measure_tokens(draft, parsed),
        issues=[issue.as_dict() for issue in parsed.issues],
        source_name=source_name,
        source_format=parsed.source_format,
        source_encoding=parsed.source_encoding,
    )


@contextmanager
def _draft() -> Iterator[Path]:
    """A scratch file that is gone afterwards, whatever happens."""
    folder = settings.LLMLORA_HOME.work
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix="dataset-") as scratch:
            yield Path(scratch) / "records.jsonl"
    except OSError as error:
        raise_if_full(error)
        raise


def _prefix(dataset_id: uuid.UUID) -> str:
    return f"datasets/{dataset_id}"
