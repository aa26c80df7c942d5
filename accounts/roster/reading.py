"""Read a roster file: text out of bytes, people out of text; what is wrong is told by line, all of it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field

from django.utils.translation import gettext as _

from accounts.roster.columns import column_of, known_count
from accounts.roster.rows import Row, RowReader
from common.errors import Fault, InvalidInputError

MAX_BYTES = 1024 * 1024
MAX_ROWS = 10_000
DELIMITERS = (",", ";", "\t")
# Excel on Japanese Windows writes cp932, its own kind of Shift_JIS.
ENCODINGS = ("utf-8-sig", "cp932")


@dataclass(slots=True)
class Sheet:
    """What stands in a roster file.

    Attributes:
        rows: those that can be used.
        faults: of the others, one for each line.
        unread: headings of columns that mean nothing here.
    """

    rows: list[Row] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)


def decode(content: bytes) -> str:
    """
    Raises:
        InvalidInputError: it is too large, or no text that we know.
    """
    if len(content) > MAX_BYTES:
        raise InvalidInputError(
            _("The file is larger than 1 MiB. Split it, and import one part after the other.")
        )
    for encoding in ENCODINGS:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise InvalidInputError(
        _("This is no CSV file in UTF-8 or Shift_JIS. Save the table as CSV UTF-8, then try again.")
    )


def parse(text: str) -> Sheet:
    """
    Raises:
        InvalidInputError: it is no table of people, or its quotation marks do not pair.
    """
    lines = _lines(text)
    _line, headings = next(lines, (0, []))
    if not headings:
        raise InvalidInputError(
            _(
                "The file is empty. Its first line names the columns, and a line for each person follows."
            )
        )
    columns = _columns(headings)
    sheet = Sheet(
        unread=[name.strip() for name in headings if name.strip() and not column_of(name)]
    )
    reader = RowReader(columns)
    for count, (line, cells) in enumerate(lines, start=1):
        if count > MAX_ROWS:
            raise InvalidInputError(
                _(
                    "The file has more than 10,000 people. Split it, and import one part after the other."
                )
            )
        found = reader.read(line, cells)
        if isinstance(found, Row):
            sheet.rows.append(found)
        else:
            sheet.faults.append(found)
    if not sheet.rows and not sheet.faults:
        raise InvalidInputError(
            _("Nobody stands in the file: there is no line below the names of the columns.")
        )
    return sheet


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """The rows of a table that are not empty, each with the line on which it begins."""
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    while True:
        line = rows.line_num + 1
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            sentence = _(
                "The quotation marks on line %(line)d do not pair, so the lines after it cannot be read. "
                "Mend this line, then try again."
            ) % {"line": line}
            raise InvalidInputError(sentence, faults=[Fault(sentence, line=line)]) from error
        if any(cell.strip() for cell in cells):
            yield line, cells


def _delimiter(text: str) -> str:
    """What parts the first line that is not empty into the most columns that we know."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    return max(DELIMITERS, key=lambda delimiter: known_count(_cells(first, delimiter)))


def _cells(line: str, delimiter: str) -> list[str]:
    return [cell.strip().strip('"') for cell in line.split(delimiter)]


def _columns(headings: list[str]) -> list[str | None]:
    columns = [column_of(heading) for heading in headings]
    known = [column for column in columns if column]
    repeated = next((column for column in known if known.count(column) > 1), None)
    if repeated:
        names = [heading.strip() for heading in headings if column_of(heading) == repeated]
        raise InvalidInputError(
            _("Two columns mean the same: %(names)s. Take one of them out.")
            % {"names": ", ".join(names)}
        )
    if not {"email", "username"} & set(known):
        raise InvalidInputError(
            _(
                "The first line names neither a column email nor a column username. "
                "Write the names of the columns there: email, username, name, role."
            )
        )
    return columns
