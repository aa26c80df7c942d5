"""JSON without the gaps of the standard reader: repeated keys, endless numbers, values that can not be stored."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from typing import Any

from datasets_app.intake.findings import printable
from datasets_app.intake.limits import MAX_DEPTH

Oddity = tuple[str, dict[str, Any]]
"""A code and the values of its sentence."""

# Python refuses to read or write integers of more digits.
_MAX_DIGITS = 4300
_ESCAPE_LENGTH = len("\\u0000")
_SURROGATE = re.compile("[\ud800-\udfff]")
_PYTHON_WORDS = ("True", "False", "None")


class StrictDecoder:
    """Reads one value at a time and remembers what the standard reader lets pass."""

    def __init__(self) -> None:
        self._oddities: list[Oddity] = []
        self._decoder = json.JSONDecoder(object_pairs_hook=self._object, parse_int=self._integer)

    def decode_at(self, text: str, position: int) -> tuple[Any, int, list[Oddity]]:
        """The value that starts at position, where it ends, and its faults.

        Raises:
            json.JSONDecodeError: no JSON.
            RecursionError: nested far too deeply.
        """
        self._oddities = []
        value, end = self._decoder.raw_decode(text, position)
        return value, end, self._oddities

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        record = dict(pairs)
        if len(record) < len(pairs):
            key, _count = Counter(name for name, _value in pairs).most_common(1)[0]
            self._oddities.append(("duplicate_key", {"field": printable(key)}))
        return record

    def _integer(self, digits: str) -> int:
        if len(digits) > _MAX_DIGITS:
            self._oddities.append(("huge_number", {}))
            return 0
        return int(digits)


def find_bad_value(value: Any) -> Oddity | None:
    """The first thing in value that can not be stored."""
    stack = [(value, 1)]
    while stack:
        item, depth = stack.pop()
        if isinstance(item, str):
            fault = _text_fault(item)
            if fault:
                return fault, {}
        elif isinstance(item, float) and not math.isfinite(item):
            return "not_finite", {}
        elif isinstance(item, dict | list):
            if depth > MAX_DEPTH:
                return "too_deep", {"limit": MAX_DEPTH}
            children = [*item.keys(), *item.values()] if isinstance(item, dict) else item
            stack += [(child, depth + 1) for child in children]
    return None


def _text_fault(text: str) -> str:
    if "\x00" in text:
        return "nul"
    return "" if text.isascii() or not _SURROGATE.search(text) else "surrogate"


def is_cut(error: json.JSONDecodeError, text: str) -> bool:
    """Whether the reader ran into the end of text."""
    rest = text[error.pos : error.pos + 16].rstrip()
    if error.msg.startswith("Invalid \\"):
        return len(rest) < _ESCAPE_LENGTH and '"' not in rest
    is_open_string = error.msg.startswith("Unterminated string")
    return is_open_string or any(
        word.startswith(rest) and word != rest
        for word in ("true", "false", "null", "-Infinity", "NaN")
    )


def syntax_oddity(error: json.JSONDecodeError, column: int) -> Oddity:
    """What is wrong with the JSON at that place.

    Args:
        column: its place in the line, 1-based.
    """
    found = error.doc[error.pos : error.pos + 1]
    if found == "\x00":
        return "nul", {}
    if error.msg.startswith("Invalid control character") and found == "\n":
        return "json_open_quote", {}
    return _syntax_code(error, found), {"column": column, "found": printable(found)}


def _syntax_code(error: json.JSONDecodeError, found: str) -> str:
    starts = {
        "Invalid control character": "json_control",
        "Invalid \\": "json_escape",
        "Expecting ':'": "json_colon",
        "Expecting ','": "json_comma",
        "Extra data": "json_extra",
    }
    for start, code in starts.items():
        if error.msg.startswith(start):
            return code
    if found in _CODES_OF_CHARACTERS:
        return _CODES_OF_CHARACTERS[found]
    is_after_comma = error.doc[max(0, error.pos - 1000) : error.pos].rstrip().endswith(",")
    if error.msg.startswith("Illegal trailing comma") or (found in ("}", "]") and is_after_comma):
        return "json_trailing_comma"
    if error.doc.startswith(_PYTHON_WORDS, error.pos):
        return "json_python_word"
    return "json_value"


_CODES_OF_CHARACTERS = {
    "'": "json_single_quote",
    "\ufeff": "json_byte_order_mark",
    "/": "json_comment",
    "#": "json_comment",
}
