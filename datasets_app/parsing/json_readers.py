"""Records of a JSON document or of JSON lines, one by one, each with its physical line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext as _

from datasets_app.parsing.faults import FaultLog
from datasets_app.parsing.strict_json import (
    StrictDecoder,
    is_cut,
    shown,
    syntax_sentence,
    too_deep_sentence,
)

Located = tuple[int, Any]
BROKEN = object()
"""Stands for a record that could not be read; it counts, so that broken files end at the same limit as whole ones."""

_FILLED_LINE = re.compile("[^\n]+")
_SPACE = re.compile("[ \t\n]*")


def read_json_lines(text: str, faults: FaultLog) -> Iterator[Located]:
    """The records of JSON lines; a broken line goes to faults and the next one is read."""
    decoder = StrictDecoder()
    line, previous_end = 1, 0
    last_start = text.rstrip().rfind("\n") + 1
    for match in _FILLED_LINE.finditer(text):
        line += match.start() - previous_end
        previous_end = match.end()
        content = match.group().rstrip(" \t")
        if content:
            yield (
                line,
                _read_line(decoder, content, line, faults, is_last=match.start() >= last_start),
            )


def _read_line(
    decoder: StrictDecoder, content: str, line: int, faults: FaultLog, *, is_last: bool
) -> Any:
    try:
        value, end, oddities = decoder.decode_at(content, len(content) - len(content.lstrip(" \t")))
        if end < len(content):
            raise json.JSONDecodeError("Extra data", content, end)
    except json.JSONDecodeError as error:
        if not is_cut(error, content):
            faults.add("syntax", syntax_sentence(error), line=line)
        elif is_last:
            faults.add("cut", _cut_sentence(), line=line)
        else:
            faults.add(
                "open_line",
                _("The record is not closed on its line. Each record must stand on one line."),
                line=line,
            )
    except RecursionError:
        faults.add("too_deep", too_deep_sentence(), line=line)
    else:
        for kind, sentence in oddities:
            faults.add(kind, sentence, line=line)
        return value
    return BROKEN


class DocumentReader:
    """The records of one JSON document: a list, an object with a list under `data`, or a single record."""

    def __init__(self, text: str, faults: FaultLog) -> None:
        self._text = text
        self._faults = faults
        self._decoder = StrictDecoder()
        self._position = 0
        self._line = 1
        self._counted_to = 0

    def __iter__(self) -> Iterator[Located]:
        try:
            yield from self._document()
        except json.JSONDecodeError as error:
            if is_cut(error, self._text):
                line = self._text.count("\n", 0, len(self._text.rstrip())) + 1
                self._faults.add("cut", _cut_sentence(), line=line)
            else:
                self._faults.add("syntax", syntax_sentence(error), line=error.lineno)
        except RecursionError:
            self._faults.add("too_deep", too_deep_sentence(), line=self._line)

    def _document(self) -> Iterator[Located]:
        opening = self._peek()
        if opening == "[":
            yield from self._items()
        elif opening == "{":
            yield from self._object()
        else:
            sentence = _(
                "A dataset is a list of records in square brackets, or one record on each line (JSONL)."
            )
            self._faults.add("not_list", sentence, line=self._current_line())
            return
        if self._peek():
            self._faults.add(
                "extra_data",
                _(
                    "There is more text after the end of the data. "
                    "Put all records into one list, or one record on each line (JSONL)."
                ),
                line=self._current_line(),
            )

    def _items(self) -> Iterator[Located]:
        self._position += 1
        if self._peek() == "]":
            self._position += 1
            return
        while True:
            self._peek()
            line = self._current_line()
            yield line, self._value(line)
            separator = self._peek()
            self._position += 1
            if separator == "]":
                return
            if separator != ",":
                raise json.JSONDecodeError(
                    "Expecting ',' delimiter", self._text, self._position - 1
                )

    def _object(self) -> Iterator[Located]:
        start = self._position
        if not self._seek_data():
            self._position = start
            yield from self._single_record()
            return
        line = self._current_line()
        if self._peek() != "[":
            self._value(line)
            self._faults.add(
                "data_not_list", _("The field “data” must hold a list of records."), line=line
            )
        else:
            yield from self._items()
        self._skip_rest()

    def _single_record(self) -> Iterator[Located]:
        self._peek()
        line = self._current_line()
        yield line, self._value(line)

    def _seek_data(self) -> bool:
        """Move to the value of the first field named data; False when there is none."""
        self._position += 1
        while self._peek() == '"':
            key = self._field_name()
            if key == "data":
                return True
            self._value(None)
            if self._peek() != ",":
                return False
            self._position += 1
        return False

    def _skip_rest(self) -> None:
        while self._peek() == ",":
            self._position += 1
            self._peek()
            line = self._current_line()
            if self._field_name() == "data":
                self._faults.add(
                    "duplicate_key",
                    _("The field “%(field)s” stands twice in one record. Keep one of them.")
                    % {"field": "data"},
                    line=line,
                )
            self._value(line)
        if self._peek() != "}":
            raise json.JSONDecodeError("Expecting ',' delimiter", self._text, self._position)
        self._position += 1

    def _field_name(self) -> str:
        if self._peek() != '"':
            raise json.JSONDecodeError("Expecting property name", self._text, self._position)
        key: str = self._value(None)
        if self._peek() != ":":
            raise json.JSONDecodeError("Expecting ':' delimiter", self._text, self._position)
        self._position += 1
        self._peek()
        return key

    def _value(self, line: int | None) -> Any:
        """The value at the position; its oddities are told when its line is given."""
        value, self._position, oddities = self._decoder.decode_at(self._text, self._position)
        if line is not None:
            for kind, sentence in oddities:
                self._faults.add(kind, sentence, line=line)
        return value

    def _peek(self) -> str:
        """The next character that is no white space; empty at the end."""
        match = _SPACE.match(self._text, self._position)
        self._position = match.end() if match else self._position
        return self._text[self._position : self._position + 1]

    def _current_line(self) -> int:
        self._line += self._text.count("\n", self._counted_to, self._position)
        self._counted_to = self._position
        return self._line


def _cut_sentence() -> str:
    return _(
        "The data ends in the middle of a record, so it seems to be cut off. Save or download it again, completely."
    )


def not_object_sentence(value: Any) -> str:
    """What stands where a record should be."""
    # A list is not shown: it can be nested too deeply to be written.
    found = "[…]" if isinstance(value, list) else shown(json.dumps(value, ensure_ascii=False))
    sentence = _(
        "This is no record: “%(found)s”. A record is an object with named fields, in curly brackets."
    )
    return sentence % {"found": found}
