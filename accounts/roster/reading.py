"""Read a roster file: people out of text; what is wrong is told by line, all of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.utils.translation import gettext as _

from accounts.roster.columns import column_of
from accounts.roster.rows import Row, RowReader
from common.csv_reading import read_lines
from common.errors import Fault, InvalidInputError

MAX_ROWS = 10_000


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


def parse(text: str) -> Sheet:
    """
    Raises:
        InvalidInputError: it is no table of people, or its quotation marks do not pair.
    """
    lines = read_lines(text, lambda heading: column_of(heading) is not None)
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
