"""One way to write a JSON value, so that the same value always has the same digest."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def json_digest(value: Any) -> str:
    """sha256 of a JSON value as UTF-8, with sorted names and without spaces."""
    plain = json.dumps(
        value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
    )
    return hashlib.sha256(plain.encode()).hexdigest()
