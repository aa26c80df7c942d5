"""Tables that somebody made with a spreadsheet: text out of bytes, rows with their lines out of text."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator

from django.utils.translation import gettext as _

from common.errors import Fault, InvalidInputError

MAX_BYTES = 1024 * 1024
_DELIMITERS = (",", ";", "\t")
# Excel on Japanese Windows writes cp932, its own kind of Shift_JIS.
_ENCODINGS = ("utf-8-sig", "cp932")


def decode(content: bytes) -> str:
    """
    Raises:
        InvalidInputError: it is too large, or no text that we know.
    """
    if len(content) > MAX_BYTES:
        raise InvalidInputError(
            _("The file is larger than 1 MiB. Split it, and import one part after the other.")
        )
    for encoding in _ENCODINGS:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise InvalidInputError(
        _("This is no CSV file in UTF-8 or Shift_JIS. Save the table as CSV UTF-8, then try again.")
    )


def read_lines(text: str, is_column: Callable[[str], bool]) -> Iterator[tuple[int, list[str]]]:
    """The rows of a table that are not empty, each with the line on which it begins.

    Args:
        is_column: whether a heading names a column that is read; by that commas, semicolons and tabs are told apart.

    Raises:
        InvalidInputError: its quotation marks do not pair.
    """
    delimiter = _delimiter(text, is_column)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
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


def _delimiter(text: str, is_column: Callable[[str], bool]) -> str:
    """What parts the first line that is not empty into the most columns that are known."""
    first = next((line for line in text.splitlines() if line.strip()), "")

    def known_count(delimiter: str) -> int:
        return sum(map(is_column, _cells(first, delimiter)))

    return max(_DELIMITERS, key=known_count)


def _cells(line: str, delimiter: str) -> Iterable[str]:
    return (cell.strip().strip('"') for cell in line.split(delimiter))
