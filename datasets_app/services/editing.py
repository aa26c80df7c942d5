"""Change, add or delete one example; each makes a new version."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _

from accounts.models import User
from common.errors import ConflictError, NotFoundError, TooLargeError
from datasets_app.models import Dataset, DatasetVersion
from datasets_app.selectors import get_editable_dataset, latest_version
from datasets_app.services.versioning import save_records
from datasets_app.versions.stored_rows import records_of

MAX_EDITED_BYTES = 20 * 1024 * 1024
"""Every change reads and writes the whole file; up to here a person hardly waits for it."""


def change_row(
    user: User, dataset: Dataset, number: int, record: dict[str, Any], base_number: int
) -> DatasetVersion:
    """Put record in the place of example number (from 1).

    Args:
        base_number: the version that user saw; it must still be the newest.

    Raises:
        ForbiddenError: user may only read the dataset.
        NotFoundError: there is no such example.
        ConflictError: base_number is not the newest version any more.
        TooLargeError: the file is too large to be changed here.
        InvalidInputError: record can not be used; the fault's line is number.
    """
    base = _editable_base(user, dataset, base_number)
    _check_number(base, number)
    records = (
        record if place == number else kept for place, kept in enumerate(records_of(base), start=1)
    )
    return save_records(base, records, author=user, change={"code": "row_changed", "row": number})


def add_row(
    user: User, dataset: Dataset, record: dict[str, Any], base_number: int
) -> DatasetVersion:
    """Put record behind the last example.

    Raises:
        ForbiddenError: user may only read the dataset.
        ConflictError: base_number is not the newest version any more.
        TooLargeError: the file is too large to be changed here.
        InvalidInputError: record can not be used.
    """
    base = _editable_base(user, dataset, base_number)
    change = {"code": "row_added", "row": base.example_count + 1}
    return save_records(base, chain(records_of(base), [record]), author=user, change=change)


def delete_row(user: User, dataset: Dataset, number: int, base_number: int) -> DatasetVersion:
    """Leave example number (from 1) out.

    Raises:
        ForbiddenError: user may only read the dataset.
        NotFoundError: there is no such example.
        ConflictError: base_number is not the newest version any more, or it is the only example.
        TooLargeError: the file is too large to be changed here.
    """
    base = _editable_base(user, dataset, base_number)
    _check_number(base, number)
    if base.example_count == 1:
        raise ConflictError(
            _(
                "This is the only example, and a dataset keeps at least one. "
                "Change the example, or delete the whole dataset."
            )
        )
    change = {"code": "row_deleted", "row": number}
    return save_records(base, _without(base, number), author=user, change=change)


def check_editable_size(version: DatasetVersion) -> None:
    """Whether its examples may be changed one by one.

    Raises:
        TooLargeError: the file is too large for that.
    """
    if version.size_bytes > MAX_EDITED_BYTES:
        raise TooLargeError(
            _(
                "This dataset has %(size)s, and examples can be changed here up to %(limit)s. "
                "Download it, change it in a program of yours and upload it as a new version."
            )
            % {
                "size": filesizeformat(version.size_bytes),
                "limit": filesizeformat(MAX_EDITED_BYTES),
            }
        )


def check_is_newest(newest: DatasetVersion, base_number: int) -> None:
    """Whether nothing was saved since a person looked.

    Raises:
        ConflictError: there is a newer version.
    """
    if newest.number != base_number:
        raise ConflictError(
            _(
                "The dataset was changed elsewhere in the meantime. Load the page again and repeat your change."
            )
        )


def _editable_base(user: User, dataset: Dataset, base_number: int) -> DatasetVersion:
    base = latest_version(get_editable_dataset(user, dataset.pk))
    check_is_newest(base, base_number)
    check_editable_size(base)
    return base


def _check_number(base: DatasetVersion, number: int) -> None:
    if not 1 <= number <= base.example_count:
        raise NotFoundError(
            _("There is no example %(number)d. It may have been deleted.") % {"number": number}
        )


def _without(base: DatasetVersion, number: int) -> Iterator[dict[str, Any]]:
    return (kept for place, kept in enumerate(records_of(base), start=1) if place != number)
