"""Rows of points from a CSV file, as text, with the lines on which they end."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

from django.utils.translation import gettext as _

from common.errors import InvalidInputError
from common.safe_csv import plain_text

MAX_BYTES = 1024 * 1024
MAX_ROWS = 5000
COLUMNS = ("username", "course", "step", "points", "reason")
# What spreadsheets in Japan save; every UTF-8 text that is one is read as that first.
ENCODINGS = ("utf-8-sig", "cp932")


@dataclass(frozen=True, slots=True)
class GivenRow:
    """
    Attributes:
        line: of the file, from 1; the last one of the row where a cell has several.
    """

    line: int
    username: str
    course: str
    step: str
    points: str
    reason: str


def read_rows(content: bytes) -> list[GivenRow]:
    """
    Raises:
        InvalidInputError: it is no CSV file with these columns.
    """
    if len(content) > MAX_BYTES:
        raise InvalidInputError(
            _("This file is larger than 1 MiB. Split it, and import one part after the other.")
        )
    try:
        rows = list(_rows(_decoded(content)))
    except csv.Error as error:
        raise InvalidInputError(
            _(
                "This is no CSV file that can be read. Save it as CSV, with commas between the cells."
            )
        ) from error
    if not rows:
        raise InvalidInputError(_("The file has no rows below its first line."))
    if len(rows) > MAX_ROWS:
        raise InvalidInputError(
            _(
                "The file has more than %(limit)d rows. Split it, and import one part after the other."
            )
            % {"limit": MAX_ROWS}
        )
    return rows


def _decoded(content: bytes) -> str:
    for encoding in ENCODINGS:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise InvalidInputError(
        _("The file is neither in UTF-8 nor in Shift_JIS. Save it as “CSV UTF-8”.")
    )


def _rows(text: str) -> Iterator[GivenRow]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    places = _places(next(reader, []))
    for cells in reader:
        if any(cell.strip() for cell in cells):
            values = [plain_text(_cell(cells, places[name])).strip() for name in COLUMNS]
            yield GivenRow(reader.line_num, *values)


def _places(head: list[str]) -> dict[str, int]:
    known = {_plain(name): place for place, name in reversed(list(enumerate(head)))}
    missing = [name for name in COLUMNS if name not in known]
    if missing:
        raise InvalidInputError(
            _("The first line must name the columns %(columns)s; %(missing)s is missing.")
            % {"columns": ", ".join(COLUMNS), "missing": ", ".join(missing)}
        )
    return {name: known[name] for name in COLUMNS}


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter not in " _-\t")


def _cell(cells: list[str], place: int) -> str:
    return cells[place] if place < len(cells) else ""
