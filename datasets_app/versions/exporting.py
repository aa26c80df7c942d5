"""The records of a version as CSV or Parquet, a few at a time."""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, Literal

from django.utils.translation import gettext as _

from common.errors import ConflictError
from common.safe_csv import safe_cell

if TYPE_CHECKING:
    import pyarrow

ExportFormat = Literal["jsonl", "csv", "parquet"]
EXPORT_FORMATS: tuple[ExportFormat, ...] = ("jsonl", "csv", "parquet")
ROWS_PER_GROUP = 1000
MAX_COLUMNS = 200
PIECE_CHARACTERS = 64 * 1024
MESSAGES = "messages"
_FIRST_COLUMNS = (MESSAGES, "instruction", "input", "output", "system", "prompt", "completion")
_FIRST_MESSAGE_FIELDS = ("role", "content")

Kind = Literal["text", "integer", "number", "flag", "pairs", "json"]
_LARGEST_INTEGER = 2**63


@dataclass(frozen=True, slots=True)
class TableShape:
    """What the records hold.

    Attributes:
        columns: fields of the records and the kinds of their values; those that every shape has come first.
        message_fields: the same for the turns of chats; empty where the records are none.
    """

    columns: dict[str, Kind]
    message_fields: dict[str, Kind]

    @property
    def is_chat(self) -> bool:
        return bool(self.message_fields)


def find_shape(records: Iterable[dict[str, Any]], *, are_chats: bool) -> TableShape:
    """Which columns a table of these records has.

    Raises:
        ConflictError: more fields than a table can have.
    """
    columns: dict[str, Kind | None] = {}
    message_fields: dict[str, Kind | None] = {}
    for record in records:
        _note_kinds(columns, record)
        for message in record[MESSAGES] if are_chats else []:
            _note_kinds(message_fields, message)
        if max(len(columns), len(message_fields)) > MAX_COLUMNS:
            raise ConflictError(
                _(
                    "The examples have more than %(limit)d different fields, too many for a table. "
                    "Download them as JSONL."
                )
                % {"limit": MAX_COLUMNS}
            )
    return TableShape(
        _ordered(columns, _FIRST_COLUMNS), _ordered(message_fields, _FIRST_MESSAGE_FIELDS)
    )


def csv_columns(shape: TableShape) -> list[str]:
    """A chat is one column of JSON; other records have a column for each field."""
    return [MESSAGES] if shape.is_chat else list(shape.columns)


def csv_pieces(records: Iterable[dict[str, Any]], columns: list[str]) -> Iterator[bytes]:
    """A CSV file in UTF-8 with the mark by which Excel knows it, every cell quoted and no formula among them."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL)
    writer.writerow(safe_cell(name) for name in columns)
    yield codecs.BOM_UTF8
    for record in records:
        writer.writerow(safe_cell(_cell(record.get(name))) for name in columns)
        if buffer.tell() >= PIECE_CHARACTERS:
            yield _taken(buffer)
    yield _taken(buffer)


def write_parquet(records: Iterable[dict[str, Any]], shape: TableShape, sink: IO[bytes]) -> None:
    """A Parquet file in groups of rows; only one group is in memory."""
    # It is large, and most processes never need it.
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    schema = _schema(shape)
    rows = iter(records)
    with pq.ParquetWriter(sink, schema) as writer:
        while group := [_row(record, shape) for record in islice(rows, ROWS_PER_GROUP)]:
            writer.write_table(pa.Table.from_pylist(group, schema=schema), ROWS_PER_GROUP)


def _schema(shape: TableShape) -> pyarrow.Schema:
    import pyarrow as pa  # noqa: PLC0415

    types: dict[str, pyarrow.DataType] = {
        "text": pa.string(),
        "integer": pa.int64(),
        "number": pa.float64(),
        "flag": pa.bool_(),
        "pairs": pa.list_(pa.list_(pa.string())),
        "json": pa.string(),
    }
    message = pa.struct([(name, types[kind]) for name, kind in shape.message_fields.items()])
    return pa.schema(
        [
            (name, pa.list_(message) if shape.is_chat and name == MESSAGES else types[kind])
            for name, kind in shape.columns.items()
        ]
    )


def _row(record: dict[str, Any], shape: TableShape) -> dict[str, Any]:
    row = _values(record, shape.columns)
    if shape.is_chat:
        row[MESSAGES] = [_values(message, shape.message_fields) for message in record[MESSAGES]]
    return row


def _values(fields: Mapping[str, Any], kinds: Mapping[str, Kind]) -> dict[str, Any]:
    """The fields, where they differ in kind as JSON."""
    return {
        name: _cell(fields[name])
        if kind == "json" and fields.get(name) is not None
        else fields.get(name)
        for name, kind in kinds.items()
    }


def _note_kinds(kinds: dict[str, Kind | None], fields: dict[str, Any]) -> None:
    for name, value in fields.items():
        kind = None if value is None else _kind_of(value)
        known = kinds.get(name)
        kinds[name] = kind if known is None else known if kind is None else _common(known, kind)


def _kind_of(value: Any) -> Kind:
    if isinstance(value, str):
        return "text"
    if isinstance(value, bool):
        return "flag"
    if isinstance(value, int) and -_LARGEST_INTEGER <= value < _LARGEST_INTEGER:
        return "integer"
    if isinstance(value, float):
        return "number"
    return "pairs" if _is_pairs(value) else "json"


def _is_pairs(value: Any) -> bool:
    """A list of lists of texts, as earlier questions and answers are."""
    return isinstance(value, list) and all(
        isinstance(pair, list) and all(isinstance(text, str) for text in pair) for pair in value
    )


def _common(one: Kind, other: Kind) -> Kind:
    if one == other:
        return one
    return "number" if {one, other} == {"integer", "number"} else "json"


def _ordered(kinds: dict[str, Kind | None], first: tuple[str, ...]) -> dict[str, Kind]:
    names = [name for name in first if name in kinds]
    names += [name for name in kinds if name not in first]
    return {name: kinds[name] or "text" for name in names}


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _taken(buffer: io.StringIO) -> bytes:
    piece = buffer.getvalue().encode()
    buffer.seek(0)
    buffer.truncate()
    return piece
