"""JSON without the gaps of the standard reader: repeated keys, endless numbers, values that can not be stored."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from typing import Any

from django.utils.translation import gettext as _

from datasets_app.parsing.limits import MAX_DEPTH

# Python refuses to read or write integers of more digits.
_MAX_DIGITS = 4300
_MAX_SHOWN = 40
_ESCAPE_LENGTH = len("\\u0000")
_SURROGATE = re.compile("[\ud800-\udfff]")
_PYTHON_WORDS = ("True", "False", "None")


class StrictDecoder:
    """Reads one value at a time and remembers what the standard reader lets pass."""

    def __init__(self) -> None:
        self._oddities: list[tuple[str, str]] = []
        self._decoder = json.JSONDecoder(object_pairs_hook=self._object, parse_int=self._integer)

    def decode_at(self, text: str, position: int) -> tuple[Any, int, list[tuple[str, str]]]:
        """The value that starts at position, where it ends, and its faults as (kind, sentence).

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
            sentence = _("The field “%(field)s” stands twice in one record. Keep one of them.")
            self._oddities.append(("duplicate_key", sentence % {"field": shown(key)}))
        return record

    def _integer(self, digits: str) -> int:
        if len(digits) > _MAX_DIGITS:
            self._oddities.append(
                ("huge_number", _("The record holds a number of thousands of digits. Remove it."))
            )
            return 0
        return int(digits)


def shown(text: str) -> str:
    """Text of a file as it may stand in a sentence: short, and without what can not be printed."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text[:_MAX_SHOWN])


def too_deep_sentence() -> str:
    return _("Lists and objects are nested more than %(limit)d levels deep. Flatten them.") % {
        "limit": MAX_DEPTH
    }


def find_bad_value(value: Any) -> tuple[str, str] | None:
    """The first thing in value that can not be stored, as (kind, sentence)."""
    stack = [(value, 1)]
    while stack:
        item, depth = stack.pop()
        if isinstance(item, str):
            fault = _text_fault(item)
            if fault:
                return fault
        elif isinstance(item, float) and not math.isfinite(item):
            return "not_finite", _(
                "The record holds NaN or an infinite number, which JSON does not have. Remove it."
            )
        elif isinstance(item, dict | list):
            if depth > MAX_DEPTH:
                return "too_deep", too_deep_sentence()
            children = [*item.keys(), *item.values()] if isinstance(item, dict) else item
            stack += [(child, depth + 1) for child in children]
    return None


def _text_fault(text: str) -> tuple[str, str] | None:
    if text.isascii():
        return ("nul", nul_sentence()) if "\x00" in text else None
    if "\x00" in text:
        return "nul", nul_sentence()
    if _SURROGATE.search(text):
        return "surrogate", _(
            "The record holds half of a character (a lone surrogate such as \\ud83d). Remove it."
        )
    return None


def nul_sentence() -> str:
    return _("There is a NUL character, which no text needs. Remove it.")


def is_cut(error: json.JSONDecodeError, text: str) -> bool:
    """Whether the reader ran into the end of text."""
    rest = text[error.pos :].rstrip()
    if error.msg.startswith("Invalid \\"):
        return len(rest) < _ESCAPE_LENGTH and '"' not in rest
    is_open_string = error.msg.startswith("Unterminated string")
    return is_open_string or any(
        word.startswith(rest) and word != rest
        for word in ("true", "false", "null", "-Infinity", "NaN")
    )


def syntax_sentence(error: json.JSONDecodeError) -> str:
    """What is wrong with the JSON at that place, and how to mend it."""
    found = error.doc[error.pos : error.pos + 1]
    values = {"column": error.colno, "found": shown(found)}
    if error.msg.startswith("Invalid control character"):
        return _control_sentence(found, values)
    if error.msg.startswith("Invalid \\"):
        return (
            _(
                "The backslash at character %(column)d starts no valid escape. Write \\\\ for a backslash itself."
            )
            % values
        )
    if error.msg.startswith("Expecting ':'"):
        return (
            _("A colon is missing at character %(column)d, between a field’s name and its value.")
            % values
        )
    if error.msg.startswith("Expecting ','"):
        return (
            _(
                "A comma or a closing bracket is missing at character %(column)d, before “%(found)s”."
            )
            % values
        )
    if error.msg.startswith("Extra data"):
        return (
            _(
                "There is more text after the end of the record, at character %(column)d. Put one object on each line."
            )
            % values
        )
    return _value_sentence(error, found, values)


def _control_sentence(found: str, values: dict[str, Any]) -> str:
    if found == "\n":
        return _(
            'The text on this line has no closing quote. Close it with " and write a line break in it as \\n.'
        )
    if found == "\x00":
        return nul_sentence()
    return (
        _(
            "There is a control character at character %(column)d. Write a tab as \\t and remove other ones."
        )
        % values
    )


def _value_sentence(error: json.JSONDecodeError, found: str, values: dict[str, Any]) -> str:
    if found == "'":
        return (
            _(
                "There is a single quote at character %(column)d. JSON needs double quotes around names and texts."
            )
            % values
        )
    if found == "\ufeff":
        return (
            _(
                "There is a byte order mark at character %(column)d, left from joining two files. Remove it."
            )
            % values
        )
    if found in ("/", "#"):
        return (
            _("There is a comment at character %(column)d. JSON has no comments: remove it.")
            % values
        )
    is_after_comma = error.doc[: error.pos].rstrip().endswith(",")
    if error.msg.startswith("Illegal trailing comma") or (found in ("}", "]") and is_after_comma):
        return (
            _(
                "There is a comma before the closing bracket at character %(column)d. Remove the comma."
            )
            % values
        )
    if error.doc.startswith(_PYTHON_WORDS, error.pos):
        return (
            _("There is a Python word at character %(column)d. JSON writes true, false and null.")
            % values
        )
    return (
        _(
            "This is not valid JSON at character %(column)d, where “%(found)s” stands. Texts need double quotes."
        )
        % values
    )
