"""A changed list of records becomes the next version of its dataset."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from accounts.models import User
from common.storage import check_free_space
from datasets_app.checking import limits
from datasets_app.intake.mapping import native_mapping
from datasets_app.intake.pipeline import Order, read_records
from datasets_app.lifecycle import scratch_file, store_version
from datasets_app.models import DatasetVersion
from datasets_app.quotas import check_version_quota
from datasets_app.wording.faults import refusal
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
        change: how it came to be, as `{code, ...}` (datasets_app.wording.sentences).

    Raises:
        InvalidInputError: a record can not be used; its line is its number.
        ConflictError: base is not the newest version any more.
        TooLargeError: the owner's space is used up.
        DiskFullError: no room for it.
    """
    check_free_space()
    dataset_type = cast(DatasetType, base.dataset.type)
    order = Order(limits(), dataset_type=dataset_type, mapping=native_mapping(dataset_type))
    with scratch_file() as draft:
        with draft.open("wb") as sink:
            outcome = read_records(records, sink, order)
        if not outcome.is_clean:
            raise refusal(outcome)
        check_version_quota(base.dataset, draft.stat().st_size, asked_by=author)
        return store_version(base, outcome, draft, author=author, change=change)
