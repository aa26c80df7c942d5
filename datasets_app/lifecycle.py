"""Checked examples become versions of a dataset: the file first, then its row."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import User
from common.errors import ConflictError
from common.happenings import happened
from common.storage import delete_prefix, raise_if_full, save_file, sha256_of_file
from datasets_app.intake.outcome import Outcome
from datasets_app.models import Dataset, DatasetImport, DatasetVersion
from datasets_app.storing import dataset_prefix
from datasets_app.token_stats import measure_tokens


def nothing_else(_dataset: Dataset) -> None:
    """For those who save a dataset alone."""


@contextmanager
def scratch_file() -> Iterator[Path]:
    """A path for the JSON lines of a version; it is gone afterwards, whatever happens."""
    folder = settings.LLMLORA_HOME.work
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix="dataset-") as scratch:
            yield Path(scratch) / "records.jsonl"
    except OSError as error:
        raise_if_full(error)
        raise


def store_dataset(
    dataset: Dataset,
    outcome: Outcome,
    draft: Path,
    *,
    source_name: str = "",
    change: dict[str, Any] | None = None,
    also: Callable[[Dataset], None] = nothing_else,
) -> Dataset:
    """Save a new dataset with draft as its first version.

    Args:
        also: is done in the same transaction, which is a short one: the file is written before it.

    Raises:
        DiskFullError: no room for it.
    """
    assert outcome.dataset_type is not None
    dataset.type = outcome.dataset_type
    version = _version(dataset, 1, outcome, draft)
    version.source_name = source_name
    version.created_by = dataset.owner
    version.change = change or {}
    # The file comes first: a row without its file would be a dataset that no job can read.
    save_file(version.file, draft)
    try:
        with transaction.atomic():
            dataset.save(force_insert=True)
            version.save(force_insert=True)
            also(dataset)
            happened("dataset_changed", dataset.owner_id, dataset.pk)
    except BaseException:
        delete_prefix(dataset_prefix(dataset.pk))
        raise
    return dataset


def store_import(
    order: DatasetImport,
    outcome: Outcome,
    draft: Path,
    *,
    also: Callable[[Dataset], None] = nothing_else,
) -> Dataset:
    """Save draft as the dataset, or as the next version of the target, that the import was made for.

    Args:
        also: is done in the same transaction.

    Raises:
        ConflictError: the target was changed in the meantime.
        DiskFullError: no room for it.
    """
    if order.target is None:
        dataset = Dataset(owner=order.owner, name=order.name, description=order.description)
        return store_dataset(dataset, outcome, draft, source_name=order.source_name, also=also)
    store_version(
        order.target.latest,
        outcome,
        draft,
        author=order.owner,
        change={"code": "uploaded", "file": order.source_name},
        source_name=order.source_name,
        also=also,
    )
    return order.target


def store_version(
    base: DatasetVersion,
    outcome: Outcome,
    draft: Path,
    *,
    author: User,
    change: dict[str, Any],
    source_name: str | None = None,
    also: Callable[[Dataset], None] = nothing_else,
) -> DatasetVersion:
    """Save draft as the version after base, which must still be the newest.

    Args:
        change: how it came to be, as `{code, ...}`.
        source_name: of an uploaded file; without one the source stays that of base.
        also: is done in the same transaction.

    Raises:
        ConflictError: base is not the newest version any more.
        DiskFullError: no room for it.
    """
    version = _version(base.dataset, base.number + 1, outcome, draft)
    # A name of its own: two writers never write the same file.
    version.file = own_file = f"{dataset_prefix(base.dataset_id)}/{version.pk}.jsonl"
    version.created_by = author
    version.change = change
    if source_name is None:
        version.source_name = base.source_name
        version.source_format = base.source_format
        version.source_encoding = base.source_encoding
    else:
        version.source_name = source_name
    save_file(own_file, draft)
    try:
        _append(base, version, also)
    except BaseException:
        default_storage.delete(own_file)
        raise
    if version.file != own_file:
        default_storage.delete(own_file)
    return version


def _append(base: DatasetVersion, version: DatasetVersion, also: Callable[[Dataset], None]) -> None:
    with transaction.atomic():
        # Locked: nobody else adds a version, or deletes the file that this one shares with an older one.
        dataset = Dataset.objects.select_for_update().get(pk=base.dataset_id)
        if dataset.latest.pk != base.pk:
            raise ConflictError(changed_elsewhere())
        twin = dataset.versions.filter(digest=version.digest).first()
        if twin is not None:
            version.file = twin.file
        version.number = dataset.last_number = next_number(dataset)
        version.save(force_insert=True)
        dataset.save(update_fields=["updated_at", "last_number"])
        also(dataset)
        happened("dataset_changed", dataset.owner_id, dataset.pk)


def next_number(dataset: Dataset) -> int:
    """The number of the next version; that of a deleted one is not given again."""
    return max(dataset.last_number, dataset.latest.number) + 1


def changed_elsewhere() -> str:
    return _(
        "The dataset was changed elsewhere in the meantime. Load the page again and repeat your change."
    )


def _version(dataset: Dataset, number: int, outcome: Outcome, draft: Path) -> DatasetVersion:
    digest = sha256_of_file(draft)
    return DatasetVersion(
        dataset=dataset,
        number=number,
        file=f"{dataset_prefix(dataset.pk)}/v{number}.jsonl",
        digest=digest,
        size_bytes=draft.stat().st_size,
        example_count=outcome.accepted,
        rejected_count=outcome.rejected,
        character_count=outcome.character_count,
        token_stats=measure_tokens(draft, outcome),
        issues=[finding.as_dict() for finding in outcome.findings],
        statistics=outcome.statistics,
        source_format=outcome.source_format,
        source_encoding=outcome.source_encoding,
        source_mapping=outcome.mapping.as_dict() if outcome.mapping else {},
    )
