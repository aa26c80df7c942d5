"""Which of JSON, JSONL and CSV a text is: by what stands in it first, by its name second."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Literal

from datasets_app.parsing.columns import has_known_columns

SourceFormat = Literal["json", "jsonl", "csv"]
_SAMPLE_LINES = 20
_LINE_SUFFIXES = (".jsonl", ".ndjson")


def sniff_format(text: str, file_name: str = "") -> SourceFormat:
    """The format of text, which is not blank."""
    start = text.lstrip()[:1]
    name = file_name.lower()
    if start == "[":
        return "json"
    if start == "{":
        return _objects_format(text, name)
    if has_known_columns(next(_filled_lines(text))):
        return "csv"
    if name.endswith(_LINE_SUFFIXES):
        return "jsonl"
    return "json" if name.endswith(".json") else "csv"


def _objects_format(text: str, name: str) -> SourceFormat:
    sample = list(islice(_filled_lines(text), _SAMPLE_LINES))
    if len(sample) == 1:
        return "json" if _has_data(sample[0]) else "jsonl"
    if sample[0] == "{":
        return "json"
    whole = sum(line.startswith("{") and line.endswith("}") for line in sample)
    if 2 * whole >= len(sample) or name.endswith(_LINE_SUFFIXES):
        return "jsonl"
    return "jsonl" if _is_object(sample[0]) else "json"


def _filled_lines(text: str) -> Iterator[str]:
    start = 0
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        line = text[start:end].strip()
        if line:
            yield line
        start = end + 1


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
        return line.removeprefix("{").lstrip().startswith('"data"')
    return isinstance(document, dict) and "data" in document
