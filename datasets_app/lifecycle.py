"""Checked examples become versions of a dataset: the file first, then its row."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts.models import User
from common.errors import ConflictError
from common.storage import delete_prefix, raise_if_full, save_file, sha256_of_file
from datasets_app.models import Dataset, DatasetVersion
from datasets_app.parsing.pipeline import ParsedDataset
from datasets_app.storing import dataset_prefix, delete_unshared_file
from datasets_app.token_stats import measure_tokens


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
    parsed: ParsedDataset,
    draft: Path,
    *,
    source_name: str = "",
    change: dict[str, Any] | None = None,
) -> Dataset:
    """Save a new dataset with draft as its first version.

    Raises:
        DiskFullError: no room for it.
    """
    dataset.type = parsed.dataset_type
    version = _version(dataset, 1, parsed, draft)
    version.source_name = source_name
    version.created_by = dataset.owner
    version.change = change or {}
    # The file comes first: a row without its file would be a dataset that no job can read.
    save_file(version.file, draft)
    try:
        with transaction.atomic():
            dataset.save(force_insert=True)
            version.save(force_insert=True)
    except BaseException:
        delete_prefix(dataset_prefix(dataset.pk))
        raise
    return dataset


def store_version(
    base: DatasetVersion,
    parsed: ParsedDataset,
    draft: Path,
    *,
    author: User,
    change: dict[str, Any],
) -> DatasetVersion:
    """Save draft as the version after base, which must still be the newest.

    Args:
        change: how it came to be, as `{code, ...}`.

    Raises:
        ConflictError: base is not the newest version any more.
        DiskFullError: no room for it.
    """
    version = _version(base.dataset, base.number + 1, parsed, draft)
    version.created_by = author
    version.change = change
    version.source_name = base.source_name
    version.source_format = base.source_format
    version.source_encoding = base.source_encoding
    twin = base.dataset.versions.filter(digest=version.digest).first()
    if twin is not None:
        version.file = twin.file
    else:
        save_file(version.file, draft)
    try:
        with transaction.atomic():
            version.save(force_insert=True)
            base.dataset.save(update_fields=["updated_at"])
    except IntegrityError as error:
        delete_unshared_file(version)
        raise ConflictError(
            _(
                "The dataset was changed elsewhere in the meantime. Load the page again and repeat your change."
            )
        ) from error
    except BaseException:
        delete_unshared_file(version)
        raise
    return version


def _version(dataset: Dataset, number: int, parsed: ParsedDataset, draft: Path) -> DatasetVersion:
    digest = sha256_of_file(draft)
    name = "v1" if number == 1 else f"v{number}-{digest[:12]}"
    return DatasetVersion(
        dataset=dataset,
        number=number,
        # Two writers of the same number write different files, so the one that loses destroys nothing.
        file=f"{dataset_prefix(dataset.pk)}/{name}.jsonl",
        digest=digest,
        size_bytes=draft.stat().st_size,
        example_count=parsed.example_count,
        character_count=parsed.character_count,
        token_stats=measure_tokens(draft, parsed),
        issues=[issue.as_dict() for issue in parsed.issues],
        source_format=parsed.source_format,
        source_encoding=parsed.source_encoding,
    )
