"""A version as a file that the browser saves."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from typing import IO

from django.conf import settings
from django.core.files.storage import default_storage
from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header

from common.storage import CHUNK_BYTES, check_free_space, raise_if_full
from datasets_app.models import Dataset, DatasetVersion
from datasets_app.versions.exporting import (
    ExportFormat,
    TableShape,
    csv_columns,
    csv_pieces,
    find_shape,
    write_parquet,
)
from datasets_app.versions.stored_rows import missing_file_error, records_of


class _FilePieces(Iterator[bytes]):
    """The content of an open file; the response closes it, read to its end or not."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def __next__(self) -> bytes:
        piece = self._stream.read(CHUNK_BYTES)
        if not piece:
            raise StopIteration
        return piece

    def close(self) -> None:
        self._stream.close()


class DownloadResponse(StreamingHttpResponse):
    """Pieces of a file, always to be saved: a browser must never show what a person wrote as a page."""

    def __init__(
        self,
        pieces: Iterator[bytes],
        file_name: str,
        *,
        size_bytes: int | None = None,
    ) -> None:
        super().__init__(pieces, content_type="application/octet-stream")
        self["Content-Disposition"] = content_disposition_header(True, file_name)
        self["X-Content-Type-Options"] = "nosniff"
        if size_bytes is not None:
            self["Content-Length"] = str(size_bytes)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pieces = iter(self)
        # In a thread: the event loop serves everybody else while a piece is read.
        while piece := await asyncio.to_thread(next, pieces, b""):
            yield piece


def version_response(version: DatasetVersion, export_format: ExportFormat) -> DownloadResponse:
    """A version in one of the formats, named after its dataset.

    Raises:
        UnavailableError: the file is not there.
        ConflictError: the examples are no table.
        DiskFullError: no room to write a Parquet file.
    """
    file_name = f"{version.dataset.name}-v{version.number}.{export_format}"
    if export_format == "csv":
        columns = csv_columns(_shape_of(version))
        return DownloadResponse(csv_pieces(records_of(version), columns), file_name)
    if export_format == "parquet":
        scratch = _parquet_file(version)
        size_bytes = scratch.seek(0, 2)
        scratch.seek(0)
        return DownloadResponse(_FilePieces(scratch), file_name, size_bytes=size_bytes)
    try:
        stream = default_storage.open(version.file, "rb")
    except FileNotFoundError as error:
        raise missing_file_error() from error
    return DownloadResponse(_FilePieces(stream), file_name, size_bytes=version.size_bytes)


def _shape_of(version: DatasetVersion) -> TableShape:
    is_chat = version.dataset.type == Dataset.Type.CHAT
    return find_shape(records_of(version), are_chats=is_chat)


def _parquet_file(version: DatasetVersion) -> IO[bytes]:
    """A scratch file that is gone when it is closed."""
    check_free_space()
    shape = _shape_of(version)
    folder = settings.LLMLORA_HOME.work
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        scratch = tempfile.TemporaryFile(dir=folder, prefix="export-")  # noqa: SIM115 - the response closes it
        try:
            write_parquet(records_of(version), shape, scratch)
        except BaseException:
            scratch.close()
            raise
    except OSError as error:
        raise_if_full(error)
        raise
    return scratch
