"""Checks records one by one and writes the good ones as canonical JSON lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, BinaryIO

from datasets_app.intake.findings import EXCERPT_CHARACTERS, Findings, printable
from datasets_app.intake.json_readers import BROKEN, Located, shown_value
from datasets_app.intake.limits import MAX_RECORD_BYTES, Limits
from datasets_app.intake.mapping import ColumnMapping
from datasets_app.intake.quality import check_example, texts_of
from datasets_app.intake.repeats import Repeats
from datasets_app.intake.shapes import to_native
from datasets_app.intake.statistics import Statistics
from datasets_app.intake.strict_json import find_bad_value
from engine.data.records import DatasetType, Example, RecordError, detect_type, read_example

PROGRESS_ROWS = 2000


class Examination:
    """What is known of the records so far.

    Args:
        sink: gets the good records as JSON lines.
        keeps_others: records in our own shape keep fields that training does not use.
        on_progress: is called with the number of rows every now and then.

    Attributes:
        rows_read: records so far, good or bad.
        accepted: records that were written.
        character_count: characters of their texts.
    """

    def __init__(
        self,
        sink: BinaryIO,
        findings: Findings,
        limits: Limits,
        mapping: ColumnMapping,
        dataset_type: DatasetType,
        *,
        keeps_others: bool,
        on_progress: Callable[[int], None],
    ) -> None:
        self._sink = sink
        self._findings = findings
        self._limits = limits
        self._mapping = mapping
        self._type = dataset_type
        self._keeps_others = keeps_others
        self._on_progress = on_progress
        self._repeats = Repeats()
        self._statistics = Statistics()
        self.rows_read = 0
        self.accepted = 0
        self.character_count = 0

    def examine(self, records: Iterable[Located]) -> None:
        """Check every record up to the limit; faults are collected, not raised."""
        for line, value in records:
            if self.rows_read == self._limits.records:
                self._findings.error("too_many", line, is_fatal=True, limit=self._limits.records)
                break
            self.rows_read += 1
            if self.rows_read % PROGRESS_ROWS == 0:
                self._on_progress(self.rows_read)
            if value is not BROKEN:
                self._examine_one(line, value)
        if not self.rows_read and not self._findings.has_errors:
            self._findings.error("no_records", None, is_fatal=True)

    def conclude(self) -> dict[str, Any]:
        """Tell what only all records together show, and give their statistics."""
        self._repeats.tell(self._findings)
        self._statistics.tell(self._findings)
        return self._statistics.as_dict()

    def _examine_one(self, line: int, value: Any) -> None:
        if not isinstance(value, dict):
            self._findings.error("not_object", line, found=shown_value(value))
            return
        bad_value = find_bad_value(value)
        if bad_value:
            self._findings.error(bad_value[0], line, **bad_value[1])
            return
        try:
            record = to_native(value, self._mapping, keeps_others=self._keeps_others)
            example = read_example(record, self._type)
        except RecordError as error:
            self._tell_record_error(error, line, value)
            return
        encoded = json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()
        if len(encoded) > MAX_RECORD_BYTES:
            self._findings.error("record_too_long", line, limit=MAX_RECORD_BYTES)
            return
        self._accept(line, encoded, example)

    def _tell_record_error(self, error: RecordError, line: int, value: Mapping[str, Any]) -> None:
        shape = detect_type(value)
        if shape not in (None, self._type):
            self._findings.error("mixed", line, found=shape, expected=self._type)
            return
        params: dict[str, Any] = {name: printable(str(text)) for name, text in error.params.items()}
        # People know the names in their own file.
        column = self._mapping.columns.get(params.get("field", ""))
        if column:
            params["field"] = printable(column)
        self._findings.error(error.code, line, excerpt=_excerpt(value), **params)

    def _accept(self, line: int, encoded: bytes, example: Example) -> None:
        check_example(example, line, self._findings)
        self._repeats.add(encoded, example, line)
        self._statistics.add(example)
        self.accepted += 1
        self.character_count += sum(map(len, texts_of(example)))
        self._sink.write(encoded + b"\n")


def _excerpt(value: Mapping[str, Any]) -> str:
    """The beginning of a record, without writing out the whole of it."""
    parts: list[str] = []
    for name, content in list(value.items())[:4]:
        shown = content if isinstance(content, str) else type(content).__name__
        parts.append(f"{name}: {shown[:40]}")
    return ", ".join(parts)[:EXCERPT_CHARACTERS]
