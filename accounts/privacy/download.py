"""An archive as a file that the browser saves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import IO, Any

from django.http import FileResponse

from common.storage import CHUNK_BYTES


class ArchiveResponse(FileResponse):
    """A stored file in pieces, each read in a thread: the event loop serves everybody else meanwhile."""

    block_size = CHUNK_BYTES

    def __init__(self, stream: IO[bytes], file_name: str, **kwargs: Any) -> None:
        super().__init__(
            stream,
            as_attachment=True,
            filename=file_name,
            content_type="application/zip",
            **kwargs,
        )

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pieces = iter(self)
        while piece := await asyncio.to_thread(next, pieces, b""):
            yield piece
