"""CSV files that a spreadsheet opens as they are meant: as UTF-8, and with no cell that runs as a formula."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator

# A spreadsheet passes over spaces and apostrophes in front of a formula, and takes full-width signs for plain ones.
# What begins with an apostrophe already gets one more, so that taking one away always gives back what was written.
_FORMULA = re.compile(r"[\s']*[=+\-@\t\r\n＝＋－＠]")


def safe_cell(value: object) -> str:
    """The value as text, with an apostrophe in front of what a spreadsheet would run. A number stays a number."""
    text = "" if value is None else str(value)
    if isinstance(value, int | float):
        return text
    return f"'{text}" if _FORMULA.match(text) else text


def plain_text(cell: str) -> str:
    """What was made safe, as it was written."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def write_rows(rows: Iterable[Iterable[object]]) -> Iterator[bytes]:
    """The lines of a file one by one, after the mark by which Excel knows UTF-8."""
    yield codecs.BOM_UTF8
    line = io.StringIO(newline="")
    table = csv.writer(line)
    for row in rows:
        table.writerow(map(safe_cell, row))
        yield line.getvalue().encode("utf-8", "replace")
        line.seek(0)
        line.truncate()
