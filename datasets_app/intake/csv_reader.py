"""Records of a CSV text, one by one, each with its physical line."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import islice

from datasets_app.intake.findings import Findings, printable, refuse
from datasets_app.intake.json_readers import BROKEN, Located
from datasets_app.intake.limits import MAX_COLUMNS, MAX_RECORD_BYTES
from datasets_app.intake.mapping import KNOWN_COLUMNS, column_key
from datasets_app.intake.text_stream import TextStream

# No cell can be longer than a record; a lower limit also ends the search for a forgotten quote sooner.
csv.field_size_limit(MAX_RECORD_BYTES)
DELIMITERS = (",", ";", "\t", "|")
_SAMPLE_ROWS = 20


class CsvReader:
    """The records of a CSV text by the names in its first line.

    Attributes:
        columns: the names, as they are written.
    """

    def __init__(self, stream: TextStream, findings: Findings) -> None:
        self._stream = stream
        self._findings = findings
        self._delimiter = find_delimiter(stream.head)
        self.columns: list[str] = []

    def __iter__(self) -> Iterator[Located]:
        line = 1
        rows = csv.reader(self._lines(), delimiter=self._delimiter, strict=True)
        try:
            for row in rows:
                if any(cell.strip() for cell in row):
                    if self.columns:
                        yield line, self._record(row, line)
                    else:
                        self._read_header(row, rows.line_num)
                line = rows.line_num + 1
        except csv.Error as error:
            if not (self._stream.is_partial and "unexpected end" in str(error)):
                self._findings.error(_csv_code(error), line, is_fatal=True)

    def _lines(self) -> Iterator[str]:
        for line, text in enumerate(self._stream.lines(), start=1):
            if text is None:
                refuse("record_too_long", line=line, limit=MAX_RECORD_BYTES)
            yield text + "\n"

    def _read_header(self, row: list[str], line: int) -> None:
        if len(row) > MAX_COLUMNS:
            refuse("too_many_columns", line=line, count=len(row), limit=MAX_COLUMNS)
        if any("\x00" in cell for cell in row):
            refuse("nul", line=line)
        names = [cell.strip() for cell in row]
        keys = [column_key(name) for name in names]
        repeated = [
            name for name, key in zip(names, keys, strict=True) if key and keys.count(key) > 1
        ]
        if repeated:
            refuse("duplicate_column", line=line, name=printable(repeated[0]))
        self.columns = names

    def _record(self, row: list[str], line: int) -> object:
        if row[0].startswith("\ufeff"):
            self._findings.error("byte_order_mark", line)
            return BROKEN
        if len(row) != len(self.columns):
            self._findings.error(
                "ragged", line, excerpt=row[0], found=len(row), expected=len(self.columns)
            )
            return BROKEN
        return {name: cell for name, cell in zip(self.columns, row, strict=True) if name}


def find_delimiter(head: str) -> str:
    """The character that parts the header into the most known names, else the rows into the same number of cells."""
    lines = [line for line in head.split("\n") if line.strip()][: _SAMPLE_ROWS + 1]

    def score(delimiter: str) -> tuple[int, int, int]:
        rows = _sample_rows(lines, delimiter)
        known = len(KNOWN_COLUMNS & {column_key(cell) for cell in rows[0]}) if rows else 0
        widths = [len(row) for row in rows]
        same = sum(width == widths[0] for width in widths) if widths and widths[0] > 1 else 0
        return known, same, widths[0] if same else 0

    return max(DELIMITERS, key=score)


def has_known_columns(head: str) -> bool:
    """Whether the first line names at least two columns that we know, or one alone."""
    lines = [line for line in head.split("\n") if line.strip()][:1]
    rows = _sample_rows(lines, find_delimiter(head))
    return bool(rows) and bool(KNOWN_COLUMNS & {column_key(cell) for cell in rows[0]})


def _sample_rows(lines: list[str], delimiter: str) -> list[list[str]]:
    rows: list[list[str]] = []
    try:
        for row in islice(
            csv.reader((line + "\n" for line in lines), delimiter=delimiter), _SAMPLE_ROWS
        ):
            rows.append(row)
    except csv.Error:
        pass
    return rows


def _csv_code(error: csv.Error) -> str:
    reason = str(error)
    if "field larger" in reason:
        return "csv_long_cell"
    if "unexpected end" in reason:
        return "csv_open_quote"
    return "nul" if "NUL" in reason else "csv_after_quote"
