"""Records of a Parquet file, a few at a time; pyarrow is loaded only where there is such a file."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from datasets_app.intake.findings import Findings, refuse
from datasets_app.intake.json_readers import BROKEN, Located
from datasets_app.intake.limits import MAX_COLUMNS, MAX_RATIO, SMALL_BYTES, Limits

_BATCH_ROWS = 64
_MAX_ROW_GROUP_BYTES = 128 * 1024 * 1024


class ParquetReader:
    """The records of a Parquet file, numbered from 1.

    Raises:
        RefusalError: no Parquet inside, or more than the limits allow.
    """

    def __init__(self, path: Path, findings: Findings, limits: Limits) -> None:
        # Thirty megabytes that only Parquet needs.
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415

        self._errors = (pa.ArrowException, OSError, ValueError)
        self._findings = findings
        self._limits = limits
        self.is_partial = False
        try:
            self._file = pq.ParquetFile(path, memory_map=True)
        except self._errors:
            refuse("parquet_broken")
        self._check(path.stat().st_size)
        self.columns = [str(name) for name in self._file.schema_arrow.names]
        self.row_count = int(self._file.metadata.num_rows)

    def __iter__(self) -> Iterator[Located]:
        number = unpacked_bytes = 0
        budget = self._limits.budget_bytes
        try:
            for batch in self._file.iter_batches(batch_size=_BATCH_ROWS, use_threads=False):
                rows = batch.to_pylist()
                unpacked_bytes += max(batch.nbytes, _text_length(rows))
                # What the file says about its size need not be true.
                if unpacked_bytes > self._limits.unpacked_bytes:
                    refuse("too_large_unpacked", limit=self._limits.unpacked_bytes)
                for row in rows:
                    number += 1
                    yield number, self._record(row, number)
                is_spent = budget is not None and unpacked_bytes > budget
                if is_spent and number < self.row_count:
                    self.is_partial = True
                    return
        except MemoryError:
            raise
        except self._errors:
            self._findings.error("parquet_broken", number + 1, is_fatal=True)

    def _record(self, row: dict[str, Any], number: int) -> object:
        try:
            return {name: _plain(value) for name, value in row.items()}
        except _BinaryValueError:
            self._findings.error("binary_value", number)
            return BROKEN

    def _check(self, size_bytes: int) -> None:
        metadata = self._file.metadata
        if metadata.num_columns > MAX_COLUMNS:
            refuse("too_many_columns", count=metadata.num_columns, limit=MAX_COLUMNS)
        groups = [
            metadata.row_group(index).total_byte_size for index in range(metadata.num_row_groups)
        ]
        total = sum(groups)
        if total > self._limits.unpacked_bytes:
            refuse("too_large_unpacked", limit=self._limits.unpacked_bytes)
        if total > SMALL_BYTES and total > MAX_RATIO * size_bytes:
            refuse("bomb", ratio=MAX_RATIO)
        if max(groups, default=0) > _MAX_ROW_GROUP_BYTES:
            refuse("parquet_row_group", limit=_MAX_ROW_GROUP_BYTES)


def _text_length(rows: list[dict[str, Any]]) -> int:
    """Characters of the texts; one that stands once in a dictionary counts wherever it is used."""
    return sum(len(value) for row in rows for value in row.values() if isinstance(value, str))


class _BinaryValueError(Exception):
    """Bytes where there should be text: pictures, sounds."""


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, bytes):
        raise _BinaryValueError
    if isinstance(value, dict):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, datetime.date | datetime.time | datetime.timedelta | decimal.Decimal):
        return str(value)
    return value
