"""A changed list of records becomes the next version of its dataset."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from accounts.models import User
from common.storage import check_free_space
from datasets_app.lifecycle import scratch_file, store_version
from datasets_app.models import DatasetVersion
from datasets_app.parsing.pipeline import parse_records
from engine.data.records import DatasetType


def save_records(
    base: DatasetVersion,
    records: Iterable[dict[str, Any]],
    *,
    author: User,
    change: dict[str, Any],
) -> DatasetVersion:
    """Check records like an upload and save them as the version after base.

    Args:
        records: all records of the new version, read once, one after another.
        change: how it came to be, as `{code, ...}` (datasets_app.sentences).

    Raises:
        InvalidInputError: a record can not be used; its line is its number.
        ConflictError: base is not the newest version any more.
        DiskFullError: no room for it.
    """
    check_free_space()
    with scratch_file() as draft:
        with draft.open("wb") as sink:
            parsed = parse_records(
                records, sink=sink, dataset_type=cast(DatasetType, base.dataset.type)
            )
        return store_version(base, parsed, draft, author=author, change=change)
