"""Which of JSON, JSONL and CSV a text is: by what stands in it first, by its name second."""

from __future__ import annotations

import json
import re
from typing import Literal

from datasets_app.intake.csv_reader import has_known_columns

SourceFormat = Literal["json", "jsonl", "csv", "parquet", "api"]
_SAMPLE_LINES = 20
_LINE_SUFFIXES = (".jsonl", ".ndjson")
_PACKED_SUFFIX = ".gz"
# Possessive: white space that two parts of the pattern could share would be tried in every way.
_DATA_FIELD = re.compile(
    r'^\{\s*+("[^"]{0,80}"\s*+:\s*+("[^"]*+"|[^,"\[{]*+),\s*+){0,20}"data"\s*+:'
)


def sniff_format(head: str, file_name: str = "") -> SourceFormat:
    """The format of a text by its beginning, which is not blank."""
    start = head.lstrip()[:1]
    name = file_name.lower().removesuffix(_PACKED_SUFFIX)
    if start == "[":
        return "json"
    if start == "{":
        return _objects_format(head, name)
    if has_known_columns(head):
        return "csv"
    if name.endswith(_LINE_SUFFIXES):
        return "jsonl"
    return "json" if name.endswith(".json") else "csv"


def _objects_format(head: str, name: str) -> SourceFormat:
    sample = [line.strip() for line in head.split("\n") if line.strip()][:_SAMPLE_LINES]
    if len(sample) == 1:
        return "json" if _has_data(sample[0]) else "jsonl"
    if sample[0] == "{":
        return "json"
    whole = sum(line.startswith("{") and line.endswith("}") for line in sample)
    if 2 * whole >= len(sample) or name.endswith(_LINE_SUFFIXES):
        return "jsonl"
    return "jsonl" if _is_object(sample[0]) else "json"


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _has_data(line: str) -> bool:
    """Whether a one-line object is a document `{"data": [...]}` and no record."""
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        # Cut, or longer than the sample.
        return bool(_DATA_FIELD.search(line))
    return isinstance(document, dict) and "data" in document
