"""What one hostile file is, and what must come of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

Content = bytes | Callable[[], Iterable[bytes]]
"""Bytes, or a call that makes them piece by piece: for what is slow to make or too large to hold."""


@dataclass(frozen=True, slots=True)
class Hostile:
    """One file.

    Attributes:
        codes: of the findings that refuse it, all of them; none when the file is harmless and accepted.
        line: of the first fault.
        file_name: as it is sent.
    """

    name: str
    content: Content
    codes: tuple[str, ...] = ()
    line: int | None = None
    file_name: str = "upload"

    def write(self, path: Path) -> None:
        pieces = [self.content] if isinstance(self.content, bytes) else self.content()
        with path.open("wb") as sink:
            for piece in pieces:
                sink.write(piece)


def refused(
    name: str, content: Content, code: str, line: int | None = None, file_name: str = "upload"
) -> Hostile:
    """A file that is refused for one kind of reason."""
    return Hostile(name, content, (code,), line, file_name)


def accepted(name: str, content: Content, file_name: str = "upload") -> Hostile:
    """A file that looks dangerous and is plain text all the same."""
    return Hostile(name, content, file_name=file_name)
