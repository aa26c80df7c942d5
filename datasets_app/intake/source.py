"""An uploaded file as a stream of bytes: unpacked when it is gzip, and never more than the limits allow."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from datasets_app.intake.findings import refuse
from datasets_app.intake.limits import MAX_RATIO, SMALL_BYTES, Limits

CHUNK_BYTES = 128 * 1024
HEAD_BYTES = 64 * 1024
_GZIP = b"\x1f\x8b"


class Source:
    """The bytes of an upload.

    Attributes:
        is_packed: whether the file is gzip.
        is_partial: whether the last reading ended at the budget instead of the end.
        packed_bytes_read: how far the file itself is read.
    """

    def __init__(self, path: Path, limits: Limits) -> None:
        self._path = path
        self._limits = limits
        self.size_bytes = path.stat().st_size
        with path.open("rb") as stream:
            self.is_packed = stream.read(len(_GZIP)) == _GZIP
        self.is_partial = False
        self.packed_bytes_read = 0

    @property
    def path(self) -> Path:
        return self._path

    def head(self) -> bytes:
        """The first bytes."""
        head = b""
        for chunk in self.chunks():
            head += chunk
            if len(head) >= HEAD_BYTES:
                break
        return head[:HEAD_BYTES]

    def chunks(self, skip: int = 0) -> Iterator[bytes]:
        """The bytes from `skip` on, in pieces.

        Raises:
            RefusalError: broken gzip, or more bytes than allowed.
        """
        self.is_partial = False
        budget = self._limits.budget_bytes
        count = 0
        with self._path.open("rb") as raw, self._opened(raw) as stream:
            while chunk := self._read(stream):
                self.packed_bytes_read = raw.tell()
                self._check(count + len(chunk))
                if budget is not None and count + len(chunk) > budget:
                    yield chunk[max(0, skip - count) : budget - count]
                    self.is_partial = True
                    return
                yield chunk[max(0, skip - count) :] if count < skip else chunk
                count += len(chunk)

    @contextmanager
    def _opened(self, raw: BinaryIO) -> Iterator[BinaryIO]:
        if not self.is_packed:
            yield raw
            return
        with gzip.GzipFile(fileobj=raw) as stream:
            yield stream  # type: ignore[misc]

    def _read(self, stream: BinaryIO) -> bytes:
        try:
            return stream.read(CHUNK_BYTES)
        except EOFError:
            refuse("gzip_cut")
        except (gzip.BadGzipFile, zlib.error):
            refuse("gzip_broken")

    def _check(self, unpacked_bytes: int) -> None:
        if unpacked_bytes > self._limits.unpacked_bytes:
            refuse("too_large_unpacked", limit=self._limits.unpacked_bytes)
        if unpacked_bytes > SMALL_BYTES and unpacked_bytes > MAX_RATIO * self.size_bytes:
            refuse("bomb", ratio=MAX_RATIO)
