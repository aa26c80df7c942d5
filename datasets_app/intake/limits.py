"""How much one dataset may hold."""

from __future__ import annotations

from dataclasses import dataclass

MAX_RECORD_BYTES = 64 * 1024
"""A record of this size is already many times longer than any example that is trained on."""

MAX_VALUE_CHARACTERS = 4 * MAX_RECORD_BYTES
"""Characters of one line or one JSON value that are read at most: white space and escapes make a record longer."""

MAX_DEPTH = 64
"""Our shapes need five levels; the JSON reader gives up near a thousand."""

MAX_COLUMNS = 256

MAX_RATIO = 200
"""Text shrinks five to twenty times when it is packed; what grows more than this was made to fill the disk."""

SMALL_BYTES = 16 * 1024 * 1024
"""Below this the ratio does not matter."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the owner of the installation may change.

    Attributes:
        unpacked_bytes: size of the text, after unpacking.
        records: rows, accepted or not.
        budget_bytes: the reading ends early after so many bytes, and the outcome is partial; None reads everything.
    """

    unpacked_bytes: int
    records: int
    budget_bytes: int | None = None

    @property
    def lines(self) -> int:
        """Bounds the time that a file of nothing but line breaks can take."""
        return 20 * self.records + 1000
