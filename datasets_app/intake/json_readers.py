"""Records of a JSON document or of JSON lines, one by one, each with its physical line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from datasets_app.intake.findings import Findings, printable, refuse
from datasets_app.intake.limits import MAX_DEPTH, MAX_RECORD_BYTES, MAX_VALUE_CHARACTERS
from datasets_app.intake.strict_json import Oddity, StrictDecoder, is_cut, syntax_oddity
from datasets_app.intake.text_stream import TextStream

Located = tuple[int, Any]
BROKEN = object()
"""Stands for a record that could not be read; it counts, so that broken files end at the same limit as whole ones."""

_SPACE = re.compile("[ \t\n]*")
_TRIM_CHARACTERS = 64 * 1024


def read_json_lines(stream: TextStream, findings: Findings) -> Iterator[Located]:
    """The records of JSON lines; a broken line goes to findings and the next one is read."""
    decoder = StrictDecoder()
    # Whether a line that ends too early is the last one is known only when the next one is looked for.
    waiting: tuple[int, str | None] | None = None
    for line, text in enumerate(stream.lines(), start=1):
        if text is not None and not text.strip(" \t"):
            continue
        if waiting:
            yield waiting[0], _read_line(decoder, *waiting, findings, is_last=False)
        waiting = line, text
    if waiting:
        yield waiting[0], _read_line(decoder, *waiting, findings, is_last=not stream.is_partial)


def _read_line(
    decoder: StrictDecoder, line: int, text: str | None, findings: Findings, *, is_last: bool
) -> Any:
    if text is None:
        findings.error("record_too_long", line, limit=MAX_RECORD_BYTES)
        return BROKEN
    content = text.rstrip(" \t")
    start = len(content) - len(content.lstrip(" \t"))
    try:
        value, end, oddities = decoder.decode_at(content, start)
        if end < len(content):
            raise json.JSONDecodeError("Extra data", content, end)
    except json.JSONDecodeError as error:
        if is_cut(error, content):
            findings.error("cut" if is_last else "open_line", line, excerpt=content)
        else:
            code, params = syntax_oddity(error, error.colno)
            findings.error(code, line, excerpt=content, **params)
        return BROKEN
    except RecursionError:
        findings.error("too_deep", line, limit=MAX_DEPTH)
        return BROKEN
    return _told(value, oddities, line, findings)


def _told(value: Any, oddities: list[Oddity], line: int, findings: Findings) -> Any:
    for code, params in oddities:
        findings.error(code, line, **params)
    return BROKEN if oddities else value


class DocumentReader:
    """The records of one JSON document: a list, an object with a list under `data`, or a single record.

    Only a window of the text is held: what is read is dropped, and more is taken when a value is not complete.
    """

    def __init__(self, stream: TextStream, findings: Findings) -> None:
        self._stream = stream
        self._pieces = stream.pieces()
        self._findings = findings
        self._decoder = StrictDecoder()
        self._text = ""
        self._position = 0
        self._line = 1
        self._counted_to = 0
        self._column_offset = 0
        self._may_trim = True

    def __iter__(self) -> Iterator[Located]:
        try:
            yield from self._document()
        except json.JSONDecodeError as error:
            if is_cut(error, self._text):
                if self._stream.is_partial:
                    return
                end = len(self._text.rstrip())
                self._findings.error("cut", self._line_at(end), is_fatal=True)
            else:
                code, params = syntax_oddity(error, self._column_of(error))
                self._findings.error(code, self._line_at(error.pos), is_fatal=True, **params)
        except RecursionError:
            self._findings.error("too_deep", self._line, is_fatal=True, limit=MAX_DEPTH)

    def _document(self) -> Iterator[Located]:
        opening = self._peek()
        if opening == "[":
            yield from self._items()
        elif opening == "{":
            yield from self._object()
        else:
            self._findings.error("not_list", self._line_at(self._position), is_fatal=True)
            return
        if self._peek():
            self._findings.error("extra_data", self._line_at(self._position), is_fatal=True)

    def _items(self) -> Iterator[Located]:
        self._position += 1
        if self._peek() == "]":
            self._position += 1
            return
        while True:
            self._peek()
            line = self._line_at(self._position)
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
        # Without a field named data the object is a record and read again from its start.
        self._may_trim = False
        has_data = self._seek_data()
        self._may_trim = True
        if not has_data:
            self._position = start
            line = self._line_at(start)
            yield line, self._value(line)
            return
        line = self._line_at(self._position)
        if self._peek() != "[":
            self._value(line)
            self._findings.error("data_not_list", line, is_fatal=True)
        else:
            yield from self._items()
        self._skip_rest()

    def _seek_data(self) -> bool:
        """Move to the value of the first field named data; False when there is none."""
        self._position += 1
        while self._peek() == '"':
            if self._field_name() == "data":
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
            line = self._line_at(self._position)
            if self._field_name() == "data":
                self._findings.error("duplicate_key", line, is_fatal=True, field="data")
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
        while True:
            try:
                value, end, oddities = self._decoder.decode_at(self._text, self._position)
            except json.JSONDecodeError as error:
                if is_cut(error, self._text) and self._more():
                    continue
                raise
            # A number at the end of the window may go on in the next piece.
            if end < len(self._text) or not self._more():
                break
        self._position = end
        if line is None:
            return value
        return _told(value, oddities, line, self._findings)

    def _peek(self) -> str:
        """The next character that is no white space; empty at the end."""
        while True:
            match = _SPACE.match(self._text, self._position)
            self._position = match.end() if match else self._position
            if self._position < len(self._text) or not self._more():
                return self._text[self._position : self._position + 1]

    def _more(self) -> bool:
        """Take another piece of the text into the window; False at the end.

        Raises:
            RefusalError: a single value fills the whole window.
        """
        if self._may_trim and self._position > _TRIM_CHARACTERS:
            self._trim()
        if len(self._text) - self._position > MAX_VALUE_CHARACTERS or (
            not self._may_trim and len(self._text) > 4 * MAX_VALUE_CHARACTERS
        ):
            refuse("record_too_long", line=self._line_at(self._position), limit=MAX_RECORD_BYTES)
        piece = next(self._pieces, "")
        self._text += piece
        return bool(piece)

    def _trim(self) -> None:
        dropped = self._text[: self._position]
        self._line_at(self._position)
        newline = dropped.rfind("\n")
        self._column_offset = (
            self._column_offset + len(dropped) if newline < 0 else len(dropped) - newline - 1
        )
        self._text = self._text[self._position :]
        self._position = self._counted_to = 0

    def _line_at(self, position: int) -> int:
        if position >= self._counted_to:
            self._line += self._text.count("\n", self._counted_to, position)
        else:
            self._line -= self._text.count("\n", position, self._counted_to)
        self._counted_to = position
        return self._line

    def _column_of(self, error: json.JSONDecodeError) -> int:
        is_first_line = "\n" not in self._text[: error.pos]
        return error.colno + (self._column_offset if is_first_line else 0)


def shown_value(value: Any) -> str:
    """A value that is no record, as it may stand in a sentence."""
    # A list is not shown: it can be nested too deeply to be written.
    return "[…]" if isinstance(value, list) else printable(json.dumps(value, ensure_ascii=False))
