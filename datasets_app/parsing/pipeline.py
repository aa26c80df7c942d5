"""The three ways in: an uploaded file, pasted text, records from the API; each ends in JSON lines or in faults."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, BinaryIO

from datasets_app.parsing.csv_reader import CsvReader
from datasets_app.parsing.decoding import clean_text, decode
from datasets_app.parsing.examination import Examination
from datasets_app.parsing.faults import FaultLog
from datasets_app.parsing.formats import sniff_format
from datasets_app.parsing.issues import Issue
from datasets_app.parsing.json_readers import DocumentReader, Located, read_json_lines
from datasets_app.parsing.limits import Limits
from engine.data.records import DatasetType


@dataclass(frozen=True, slots=True)
class ParsedDataset:
    """What the written JSON lines are."""

    dataset_type: DatasetType
    example_count: int
    character_count: int
    issues: list[Issue]
    source_format: str
    source_encoding: str


def parse_bytes(
    content: bytes, *, sink: BinaryIO, file_name: str = "", dataset_type: DatasetType | None = None
) -> ParsedDataset:
    """Write the records of an uploaded file to sink as JSON lines.

    Raises:
        InvalidInputError: with everything that is wrong; sink then holds nothing of use.
    """
    decoded = decode(content)
    issues = []
    if decoded.encoding != "utf-8":
        issues.append(Issue("info", "encoding", count=1, params={"encoding": decoded.encoding}))
    return _parse(
        decoded.text,
        decoded.encoding,
        sink=sink,
        file_name=file_name,
        dataset_type=dataset_type,
        issues=issues,
    )


def parse_text(
    text: str, *, sink: BinaryIO, dataset_type: DatasetType | None = None
) -> ParsedDataset:
    """Write the records of pasted text to sink as JSON lines.

    Raises:
        InvalidInputError: with everything that is wrong.
    """
    cleaned = clean_text(text.removeprefix("\ufeff"))
    return _parse(cleaned, "utf-8", sink=sink, file_name="", dataset_type=dataset_type, issues=[])


def parse_records(
    records: Iterable[Any], *, sink: BinaryIO, dataset_type: DatasetType | None = None
) -> ParsedDataset:
    """Write records to sink as JSON lines; a fault's line is the record's number.

    Raises:
        InvalidInputError: with everything that is wrong.
    """
    faults = FaultLog()
    located = enumerate(records, start=1)
    return _examine(located, faults, [], source=("api", ""), sink=sink, dataset_type=dataset_type)


def _parse(
    text: str,
    encoding: str,
    *,
    sink: BinaryIO,
    file_name: str,
    dataset_type: DatasetType | None,
    issues: list[Issue],
) -> ParsedDataset:
    faults = FaultLog()
    source_format = sniff_format(text, file_name)
    records: Iterable[Located]
    if source_format == "csv":
        records = CsvReader(text, faults, issues, dataset_type=dataset_type)
    elif source_format == "json":
        records = DocumentReader(text, faults)
    else:
        records = read_json_lines(text, faults)
    return _examine(
        records,
        faults,
        issues,
        source=(source_format, encoding),
        sink=sink,
        dataset_type=dataset_type,
    )


def _examine(
    records: Iterable[Located],
    faults: FaultLog,
    issues: list[Issue],
    *,
    source: tuple[str, str],
    sink: BinaryIO,
    dataset_type: DatasetType | None,
) -> ParsedDataset:
    examination = Examination(sink, faults, Limits.from_settings(), dataset_type)
    examination.examine(records)
    faults.raise_if_any()
    assert examination.dataset_type is not None
    return ParsedDataset(
        dataset_type=examination.dataset_type,
        example_count=examination.example_count,
        character_count=examination.character_count,
        issues=issues + examination.issues,
        source_format=source[0],
        source_encoding=source[1],
    )
