"""The text of an upload, in pieces and by lines, with line feeds only."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator

from datasets_app.intake.decoding import Encoding
from datasets_app.intake.findings import refuse
from datasets_app.intake.limits import MAX_VALUE_CHARACTERS, Limits
from datasets_app.intake.source import Source

HEAD_CHARACTERS = 32 * 1024


class TextStream:
    """Decoded text; `head` can be looked at before it is read from the beginning.

    Raises:
        RefusalError: while reading, when the bytes are not of the encoding, or nothing but white space, or too many
            lines.
    """

    def __init__(self, source: Source, encoding: Encoding, limits: Limits) -> None:
        self._source = source
        self._encoding = encoding
        self._limits = limits
        self.head = self._read_head()

    @property
    def is_partial(self) -> bool:
        """Whether the text ended at the budget; what stands last may be incomplete then."""
        return self._source.is_partial

    def pieces(self) -> Iterator[str]:
        """The whole text from its beginning."""
        # A decoder of line ends keeps a carriage return back until it sees what follows.
        decoder = io.IncrementalNewlineDecoder(
            codecs.getincrementaldecoder(self._encoding.codec)(), translate=True
        )
        lines = 0
        is_blank = True
        for chunk in self._source.chunks(self._encoding.mark_bytes):
            text = self._decode(decoder, chunk, final=False)
            lines += text.count("\n")
            if lines > self._limits.lines:
                refuse("too_many_lines", limit=self._limits.lines)
            is_blank = is_blank and (not text or text.isspace())
            if text:
                yield text
        if not self.is_partial:
            text = self._decode(decoder, b"", final=True)
            is_blank = is_blank and (not text or text.isspace())
            if text:
                yield text
            if is_blank:
                refuse("empty")

    def lines(self) -> Iterator[str | None]:
        """Lines without their ends; None stands for one that is longer than a record can be."""
        rest = ""
        is_skipping = False
        for piece in self.pieces():
            parts = (rest + piece).split("\n")
            rest = parts.pop()
            for part in parts:
                if is_skipping:
                    is_skipping = False
                    continue
                yield part if len(part) <= MAX_VALUE_CHARACTERS else None
            if len(rest) > MAX_VALUE_CHARACTERS and not is_skipping:
                yield None
                is_skipping = True
            if is_skipping:
                rest = ""
        if rest and not is_skipping and not self.is_partial:
            yield rest

    def _read_head(self) -> str:
        head = ""
        for piece in self.pieces():
            head += piece
            if head.isspace():
                head = ""
            elif len(head) >= HEAD_CHARACTERS:
                break
        return head

    def _decode(self, decoder: io.IncrementalNewlineDecoder, chunk: bytes, *, final: bool) -> str:
        try:
            return decoder.decode(chunk, final)
        except UnicodeDecodeError as error:
            is_end = final or error.reason in ("unexpected end of data", "truncated data")
            if is_end:
                refuse("cut_character")
            refuse("wrong_encoding", encoding=self._encoding.name.upper())
