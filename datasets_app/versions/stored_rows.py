"""The rows of a version, one after another: a file is never in memory as a whole."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from typing import Any

from django.utils.translation import gettext as _

from common.errors import UnavailableError
from common.storage import read_lines
from datasets_app.models import DatasetVersion


def lines_of(version: DatasetVersion) -> Iterator[str]:
    """The stored JSON lines.

    Raises:
        UnavailableError: the file is not there.
    """
    try:
        yield from read_lines(version.file)
    except FileNotFoundError as error:
        raise missing_file_error() from error


def records_of(version: DatasetVersion) -> Iterator[dict[str, Any]]:
    """The records as they were given.

    Raises:
        UnavailableError: the file is not there.
    """
    return map(json.loads, lines_of(version))


def records_at(version: DatasetVersion, positions: Collection[int]) -> dict[int, dict[str, Any]]:
    """The records that stand at these positions, from 0 on.

    Raises:
        UnavailableError: the file is not there.
    """
    wanted = set(positions)
    found: dict[int, dict[str, Any]] = {}
    if wanted:
        for position, line in enumerate(lines_of(version)):
            if position in wanted:
                found[position] = json.loads(line)
                if len(found) == len(wanted):
                    break
    return found


def missing_file_error() -> UnavailableError:
    return UnavailableError(
        _(
            "The file of this dataset is missing on the server. Upload it again, or ask your instructor."
        )
    )
