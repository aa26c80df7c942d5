"""The ways in: an uploaded file, pasted text, records of a program; each ends in JSON lines and an outcome."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO

from datasets_app.intake.csv_reader import CsvReader
from datasets_app.intake.decoding import PARQUET, find_encoding, refuse_binary
from datasets_app.intake.examination import Examination
from datasets_app.intake.findings import Findings, RefusalError, printable, refuse
from datasets_app.intake.formats import sniff_format
from datasets_app.intake.json_readers import BROKEN, DocumentReader, Located, read_json_lines
from datasets_app.intake.limits import MAX_COLUMNS, MAX_DEPTH, Limits
from datasets_app.intake.mapping import (
    ColumnMapping,
    column_key,
    find_mapping,
    native_mapping,
    signature,
)
from datasets_app.intake.outcome import Outcome
from datasets_app.intake.parquet_reader import ParquetReader
from datasets_app.intake.shapes import has_conversations, refuse_other_kinds
from datasets_app.intake.source import Source
from datasets_app.intake.strict_json import find_bad_value
from datasets_app.intake.text_stream import TextStream
from engine.data.records import DatasetType

_DETECTION_RECORDS = 50
_SHOWN_RECORDS = 5
_SHOWN_CHARACTERS = 200
_MAX_SHOWN_NAMES = 12


@dataclass(frozen=True, slots=True)
class Order:
    """How a person wants the data to be read.

    Attributes:
        dataset_type: only this type; None finds it in the data.
        mapping: which columns are what; None finds it in their names.
        remembered: mappings by the signature of the columns, from earlier uploads.
        file_name: its suffix helps where the content says nothing.
    """

    limits: Limits
    dataset_type: DatasetType | None = None
    mapping: ColumnMapping | None = None
    remembered: dict[str, ColumnMapping] = field(default_factory=dict)
    file_name: str = ""


def no_progress(_packed_bytes: int, _rows: int) -> None:
    """For callers that nobody watches."""


def read_file(
    path: Path, sink: BinaryIO, order: Order, on_progress: Callable[[int, int], None] = no_progress
) -> Outcome:
    """Read a file and write its good records to sink as JSON lines.

    Args:
        on_progress: is called with the bytes of the file and the rows that are read so far.

    Returns:
        Everything that was found; faults are in it and not raised.
    """
    findings = Findings()
    outcome = Outcome()
    try:
        source = Source(path, order.limits)
        outcome.is_packed = source.is_packed
        _read_source(source, sink, order, findings, outcome, on_progress)
    except RefusalError as refusal:
        findings.refusal(refusal)
    except RecursionError:
        findings.refusal(RefusalError("too_deep", limit=MAX_DEPTH))
    outcome.findings = findings.sorted()
    return outcome


def read_records(records: Iterable[Any], sink: BinaryIO, order: Order) -> Outcome:
    """Write records of a program to sink as JSON lines; the line of a fault is the record's number."""
    findings = Findings()
    outcome = Outcome(source_format="api")
    try:
        _examine(enumerate(records, start=1), sink, order, findings, outcome, lambda _rows: None)
    except RefusalError as refusal:
        findings.refusal(refusal)
    outcome.findings = findings.sorted()
    return outcome


def _read_source(
    source: Source,
    sink: BinaryIO,
    order: Order,
    findings: Findings,
    outcome: Outcome,
    on_progress: Callable[[int, int], None],
) -> None:
    head = source.head()
    if head.startswith(PARQUET):
        if source.is_packed:
            refuse("gzip_parquet")
        reader = ParquetReader(source.path, findings, order.limits)
        outcome.source_format, outcome.columns = "parquet", reader.columns

        def tell_rows(rows: int) -> None:
            on_progress(source.size_bytes * rows // max(1, reader.row_count), rows)

        _examine(reader, sink, order, findings, outcome, tell_rows)
        outcome.is_partial = reader.is_partial
        return
    refuse_binary(head)
    encoding = find_encoding(source)
    stream = TextStream(source, encoding, order.limits)
    outcome.source_encoding = encoding.name
    outcome.source_format = sniff_format(stream.head, order.file_name)
    if encoding.name != "utf-8":
        findings.note("encoding", None, encoding=encoding.name)
    records: Iterable[Located]
    if outcome.source_format == "csv":
        records = CsvReader(stream, findings)
        outcome.columns = records.columns
    elif outcome.source_format == "json":
        records = DocumentReader(stream, findings)
    else:
        records = read_json_lines(stream, findings)

    def tell_bytes(rows: int) -> None:
        on_progress(source.packed_bytes_read, rows)

    _examine(records, sink, order, findings, outcome, tell_bytes)
    outcome.is_partial = stream.is_partial


def _examine(
    records: Iterable[Located],
    sink: BinaryIO,
    order: Order,
    findings: Findings,
    outcome: Outcome,
    on_progress: Callable[[int], None],
) -> None:
    iterator = iter(records)
    first = list(islice(iterator, _DETECTION_RECORDS))
    if isinstance(records, CsvReader):
        outcome.columns = records.columns
    samples = [value for _line, value in first if isinstance(value, dict)]
    readable = [record for record in samples if find_bad_value(record) is None]
    outcome.columns = outcome.columns or _union(readable)
    outcome.samples = [_shown(record) for record in readable[:_SHOWN_RECORDS]]
    refuse_other_kinds(readable)
    mapping = order.mapping or _remembered_mapping(outcome, order)
    if mapping and not order.mapping:
        findings.note("remembered_columns", None)
    mapping = mapping or _find_mapping(readable, outcome, order)
    outcome.mapping = mapping
    if mapping is None and (readable or outcome.source_format == "csv"):
        _tell_unknown_columns(first, outcome, order, findings)
        if outcome.columns or readable:
            return
    is_chat = mapping is not None and has_conversations(readable, mapping)
    # Rows that can not be read at all are told one by one, whatever they should have been.
    mapping = mapping or native_mapping(order.dataset_type or "completion")
    outcome.dataset_type = "chat" if is_chat else mapping.dataset_type
    _tell_ignored_columns(outcome, mapping, findings)
    examination = Examination(
        sink,
        findings,
        order.limits,
        mapping,
        outcome.dataset_type,
        keeps_others=outcome.source_format in _KEEPING_FORMATS,
        on_progress=on_progress,
    )
    examination.examine(chain(first, iterator))
    outcome.statistics = examination.conclude()
    outcome.rows_read, outcome.accepted = examination.rows_read, examination.accepted
    outcome.character_count = examination.character_count


def _remembered_mapping(outcome: Outcome, order: Order) -> ColumnMapping | None:
    """What the person chose for these columns the last time."""
    remembered = order.remembered.get(signature(outcome.columns))
    if remembered is None or order.dataset_type not in (None, remembered.dataset_type):
        return None
    # The same columns may be written with other capitals now.
    written = {column_key(name): name for name in outcome.columns}
    return ColumnMapping(
        remembered.shape,
        {part: written[column_key(name)] for part, name in remembered.columns.items()},
    )


def _find_mapping(
    samples: list[dict[str, Any]], outcome: Outcome, order: Order
) -> ColumnMapping | None:
    # The first record decides; records of another shape are told one by one.
    candidates = (
        [outcome.columns]
        if outcome.source_format == "csv"
        else [list(record) for record in samples]
    )
    for names in candidates:
        found = find_mapping(names, order.dataset_type)
        if found:
            break
    else:
        # What was asked for and what is there differ: each record says how.
        is_other_type = order.dataset_type and any(map(find_mapping, candidates))
        is_told_by_record = is_other_type and outcome.source_format != "csv"
        return (
            native_mapping(order.dataset_type) if order.dataset_type and is_told_by_record else None
        )
    # Optional columns may be missing in the first record.
    everything = find_mapping(outcome.columns, found.dataset_type)
    if everything and everything.shape == found.shape:
        return ColumnMapping(found.shape, everything.columns | found.columns)
    return found


_KEEPING_FORMATS = ("json", "jsonl", "api")


def _tell_unknown_columns(
    first: list[Located], outcome: Outcome, order: Order, findings: Findings
) -> None:
    shown = ", ".join(printable(name) for name in outcome.columns[:_MAX_SHOWN_NAMES] if name)
    if outcome.source_format == "csv":
        if outcome.columns:
            findings.forget_errors()
            params = {"found": shown, "dataset_type": order.dataset_type or ""}
            findings.error("columns", 1, is_fatal=True, **params)
        return
    line = next((line for line, value in first if isinstance(value, dict)), None)
    if line is not None:
        findings.error(
            "unknown_shape" if shown else "empty_record", line, is_fatal=True, found=shown
        )


def _tell_ignored_columns(outcome: Outcome, mapping: ColumnMapping, findings: Findings) -> None:
    """Records in our own shape keep what they bring along; only what is converted loses something."""
    if outcome.source_format in _KEEPING_FORMATS and mapping.is_native:
        return
    used = set(mapping.columns.values())
    ignored = [printable(name) for name in outcome.columns if name and name not in used]
    if ignored:
        findings.note("ignored_columns", None, columns=", ".join(ignored[:_MAX_SHOWN_NAMES]))


def _union(samples: list[dict[str, Any]]) -> list[str]:
    names = dict.fromkeys(str(name) for record in samples for name in record)
    return list(islice(names, MAX_COLUMNS))


def _shown(record: dict[str, Any]) -> dict[str, Any]:
    """A record as it may be stored with the report: short, and flat."""
    return {
        printable(str(name), 60): printable(
            value
            if isinstance(value, str)
            else ""
            if value is None
            else repr(value)[:_SHOWN_CHARACTERS],
            _SHOWN_CHARACTERS,
        )
        for name, value in list(record.items())[:MAX_COLUMNS]
        if value is not BROKEN
    }
