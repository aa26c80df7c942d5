"""JSON as the standard has it: no NaN, no infinite numbers, no text that can not be stored."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn


class MalformedJsonError(ValueError):
    """The text is not JSON, or holds a value that JSON or the database does not have."""


def loads(text: str | bytes) -> Any:
    """Read one JSON value.

    Raises:
        MalformedJsonError: not JSON, nested too deeply, a number beyond what a float holds, or text that is no Unicode.
    """
    try:
        value = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite_float)
        if _may_hold_escaped_text(text):
            _check_text(value)
    except (ValueError, RecursionError) as error:
        raise MalformedJsonError(str(error)) from error
    return value


def dumps(value: Any, *, encoder: type[json.JSONEncoder] = json.JSONEncoder) -> str:
    """Write one JSON value; numbers that JSON does not have become null."""
    try:
        return json.dumps(value, cls=encoder, allow_nan=False)
    except ValueError:
        return json.dumps(without_non_finite(value), cls=encoder, allow_nan=False)


def without_non_finite(value: Any) -> Any:
    """The same value with null where a number is NaN or infinite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: without_non_finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [without_non_finite(entry) for entry in value]
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _finite_float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:40]} is too large for a number")
    return number


def _may_hold_escaped_text(text: str | bytes) -> bool:
    """Whether an escape is there that could be half a character or NUL; the full check walks every value."""
    if isinstance(text, str):
        return "\\ud" in text.lower() or "\\u0000" in text or "\0" in text
    return b"\\ud" in text.lower() or b"\\u0000" in text or b"\0" in text


def _check_text(value: Any) -> None:
    """PostgreSQL stores no NUL, and half of a surrogate pair can not be encoded at all."""
    written = json.dumps(value, ensure_ascii=False)
    written.encode("utf-8")
    if "\\u0000" in written:
        raise ValueError("text must not hold the character NUL")
