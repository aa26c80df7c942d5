"""Rows of points from a CSV file, as text, with the lines on which they begin."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.utils.translation import gettext as _

from common.csv_reading import decode, read_lines
from common.errors import InvalidInputError
from common.safe_csv import plain_text

MAX_ROWS = 5000
COLUMNS = ("username", "course", "step", "points", "reason")


@dataclass(frozen=True, slots=True)
class GivenRow:
    """
    Attributes:
        line: of the file, from 1; the first one of the row where a cell has several.
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
    rows = list(_rows(decode(content)))
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


def _rows(text: str) -> Iterator[GivenRow]:
    lines = read_lines(text, lambda heading: _plain(heading) in COLUMNS)
    _line, head = next(lines, (0, []))
    places = _places(head)
    for line, cells in lines:
        values = [plain_text(_cell(cells, places[name])).strip() for name in COLUMNS]
        yield GivenRow(line, *values)


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
