"""Records of a CSV text, one by one, each with its physical line."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext as _

from datasets_app.parsing.columns import (
    MAX_SHOWN_COLUMNS,
    OPTIONAL_COLUMNS,
    column_name,
    columns_sentence,
    find_delimiter,
    used_columns,
)
from datasets_app.parsing.faults import FaultLog
from datasets_app.parsing.issues import Issue
from datasets_app.parsing.limits import MAX_RECORD_BYTES
from datasets_app.parsing.strict_json import nul_sentence, shown
from engine.data.records import DatasetType

# No cell can be longer than a record; a lower limit also ends the search for a forgotten quote sooner.
csv.field_size_limit(MAX_RECORD_BYTES)


class CsvReader:
    """The records of a CSV text; columns that no shape has are left out and told as an issue."""

    def __init__(
        self, text: str, faults: FaultLog, issues: list[Issue], *, dataset_type: DatasetType | None
    ) -> None:
        header_line = next(line for line in _lines(text) if line.strip())
        self._rows = csv.reader(_lines(text), delimiter=find_delimiter(header_line), strict=True)
        self._faults = faults
        self._issues = issues
        self._type = dataset_type

    def __iter__(self) -> Iterator[tuple[int, Any]]:
        line = 1
        try:
            header = self._header()
            line = self._rows.line_num + 1
            for row in self._rows if header else ():
                if any(cell.strip() for cell in row):
                    yield line, self._record(header, row, line)
                line = self._rows.line_num + 1
        except csv.Error as error:
            self._faults.add("csv", _csv_sentence(error), line=line)

    def _header(self) -> list[str]:
        """Column names; those that are not used are empty. Nothing when the header is unusable."""
        found = next((row for row in self._rows if any(cell.strip() for cell in row)), [])
        line = self._rows.line_num
        names = [column_name(cell) for cell in found]
        repeated = sorted({name for name in names if name and names.count(name) > 1})
        if repeated:
            sentence = _("The column “%(name)s” stands twice in the header. Keep one of them.")
            self._faults.add("duplicate_column", sentence % {"name": shown(repeated[0])}, line=line)
            return []
        used = used_columns(names, self._type)
        if not used:
            self._faults.add("columns", columns_sentence(found, self._type), line=line)
            return []
        ignored = [
            shown(cell.strip())
            for cell, name in zip(found, names, strict=True)
            if name and name not in used
        ]
        if ignored:
            params = {"columns": ", ".join(ignored[:MAX_SHOWN_COLUMNS])}
            self._issues.append(
                Issue("info", "ignored_columns", count=len(ignored), lines=[line], params=params)
            )
        return [name if name in used else "" for name in names]

    def _record(self, header: list[str], row: list[str], line: int) -> dict[str, str]:
        if len(row) != len(header):
            sentence = _(
                "This row has %(found)d cells, but the header has %(expected)d. Is a comma in a text not quoted?"
            )
            self._faults.add(
                "ragged", sentence % {"found": len(row), "expected": len(header)}, line=line
            )
        if row[0].startswith("\ufeff"):
            sentence = _(
                "There is a byte order mark in front of this row, left from joining two files. Remove it."
            )
            self._faults.add("byte_order_mark", sentence, line=line)
        cells = zip(header, row, strict=False)
        return {
            name: cell for name, cell in cells if name and (cell or name not in OPTIONAL_COLUMNS)
        }


def _lines(text: str) -> Iterator[str]:
    start = 0
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        yield text[start:end]
        start = end


def _csv_sentence(error: csv.Error) -> str:
    reason = str(error)
    if "field larger" in reason:
        return _("A cell that starts here is longer than 64 KiB. Is its closing quote missing?")
    if "unexpected end" in reason:
        return _(
            "A quote that is opened here is never closed. Close it, and write a quote inside a text twice."
        )
    if "NUL" in reason:
        return nul_sentence()
    return _(
        "There is text after a closing quote in this row. Write a quote inside a quoted text twice."
    )
