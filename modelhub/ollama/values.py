"""Values as Ollama tells them, made into such as every database can hold."""

from __future__ import annotations

import math
from typing import Any


def whole_number(value: Any, *, most: int = 2**63 - 1) -> int:
    """A count as Ollama told it, or 0 where that is none that can be."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return 0
    return min(max(int(value), 0), most)


def plain_text(value: Any) -> str:
    """A text as Ollama told it that every database can store; empty where it is none."""
    if not isinstance(value, str):
        return ""
    return value.encode("utf-8", "replace").decode().replace("\x00", "")
