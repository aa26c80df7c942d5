"""Bytes to text: which encoding a file is in, and which files are no text at all."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from datasets_app.intake.findings import refuse
from datasets_app.intake.source import Source

# The first bytes that name a kind of file. A name is shown as it is, so it needs no translation.
_MAGIC = (
    (b"ARROW1", "Arrow"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"7z\xbc\xaf\x27\x1c", "7-Zip"),
    (b"\x28\xb5\x2f\xfd", "Zstandard"),
    (b"Rar!\x1a\x07", "RAR"),
    (b"\x89PNG", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF8", "GIF"),
    (b"%PDF", "PDF"),
    (b"SQLite format 3\x00", "SQLite"),
    (b"\x93NUMPY", "NumPy"),
    (b"GGUF", "GGUF"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Microsoft Office"),
    (b"\x7fELF", "ELF"),
)
PARQUET = b"PAR1"
_GZIP = b"\x1f\x8b"
_PICKLE = re.compile(rb"\x80[\x02-\x05]")
_ZIP = b"PK\x03\x04"
_TAR_MARK = slice(257, 262)
_BOMS = (
    # The mark of UTF-32 begins with that of UTF-16, so it is tried first.
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_JAPANESE = {"cp932": "shift_jis", "euc_jp": "euc-jp"}
_SAMPLE_BYTES = 4096
_SAMPLE_CHARACTERS = 20_000
_BEYOND_ASCII = re.compile("[^\x00-\x7f]")
_KANA = re.compile("[\u3040-\u30ff]")
_THREE_BYTES = re.compile("[\u0800-\uffff]")
_HALF_WIDTH_KANA = re.compile("[\uff61-\uff9f]")


@dataclass(frozen=True, slots=True)
class Encoding:
    """How the bytes of a text are read.

    Attributes:
        name: as it is told to people.
        codec: Python's name.
        mark_bytes: length of the byte order mark in front.
    """

    name: str
    codec: str
    mark_bytes: int = 0


def refuse_binary(head: bytes) -> None:
    """Refuse what is no text, by its first bytes.

    Raises:
        RefusalError: nothing in it, or a known kind of file that is not ours.
    """
    if not head:
        refuse("empty")
    kind = _binary_kind(head)
    if kind:
        refuse("binary", kind=kind)
    if head.startswith(_GZIP):
        refuse("gzip_in_gzip")


def find_encoding(source: Source) -> Encoding:
    """The encoding of the whole text.

    Raises:
        RefusalError: none of ours, no text, or cut in the middle of a character.
    """
    head = source.head()
    for mark, name in _BOMS:
        if head.startswith(mark):
            return Encoding(name, name, len(mark))
    guess = _utf16_by_nuls(head[:_SAMPLE_BYTES])
    if guess:
        return Encoding(guess, guess)
    broken = _first_broken_place(source)
    return _japanese_encoding(source, broken) if broken else Encoding("utf-8", "utf-8")


def _binary_kind(head: bytes) -> str:
    if head.startswith(_ZIP):
        return "Excel" if b"xl/" in head else "ZIP"
    if _PICKLE.match(head):
        return "pickle"
    if head[_TAR_MARK] == b"ustar":
        return "tar"
    return next((name for magic, name in _MAGIC if head.startswith(magic)), "")


def _utf16_by_nuls(sample: bytes) -> str:
    """UTF-16 without a mark: every other byte of ASCII text is NUL, and the bytes between never are."""
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    enough = len(sample) // 8
    if even > enough and not odd:
        return "utf-16-be"
    if odd > enough and not even:
        return "utf-16-le"
    return ""


@dataclass(frozen=True, slots=True)
class _Broken:
    """The first bytes that are not UTF-8, and what stands around them."""

    line: int
    is_end: bool
    around: bytes


def _first_broken_place(source: Source) -> _Broken | None:
    decoder = codecs.getincrementaldecoder("utf-8")()
    line = 1
    has_nul = False
    previous = b""
    chunks = source.chunks()
    for chunk in chunks:
        has_nul = has_nul or b"\x00" in chunk
        pending = decoder.getstate()[0]
        try:
            decoder.decode(chunk)
        except UnicodeDecodeError as error:
            if has_nul:
                refuse("not_a_text")
            start = error.start - len(pending)
            line += chunk.count(b"\n", 0, max(0, start))
            window = previous + chunk
            at = max(0, len(previous) + start)
            around = window[max(0, at - _SAMPLE_BYTES) : at + _SAMPLE_BYTES]
            return _Broken(line, error.reason == "unexpected end of data", around)
        line += chunk.count(b"\n")
        previous = chunk[-_SAMPLE_BYTES:]
    pending = decoder.getstate()[0]
    if pending and not source.is_partial:
        if has_nul:
            refuse("not_a_text")
        return _Broken(line, is_end=True, around=previous)
    return None


def _japanese_encoding(source: Source, broken: _Broken) -> Encoding:
    """Shift_JIS or EUC-JP.

    Raises:
        RefusalError: neither, or UTF-8 with a fault in it.
    """
    # Other encodings form characters of three bytes only by accident.
    text = broken.around.decode("utf-8", errors="replace")
    faults = text.count("\ufffd")
    if len(_THREE_BYTES.findall(text)) - faults >= faults:
        refuse("cut_character" if broken.is_end else "not_utf8", line=broken.line)
    kana = {codec: _kana_count(source, codec) for codec in _JAPANESE}
    codec = max(kana, key=lambda name: kana[name])
    if not kana[codec]:
        refuse("unknown_encoding", line=broken.line)
    return Encoding(_JAPANESE[codec], codec)


def _kana_count(source: Source, codec: str) -> int:
    """Kana near the first letter beyond ASCII when the text is read so; 0 where it can not be."""
    decoder = codecs.getincrementaldecoder(codec)()
    sample = ""
    try:
        for chunk in source.chunks():
            text = decoder.decode(chunk)
            first = None if sample else _BEYOND_ASCII.search(text)
            if sample or first:
                room = _SAMPLE_CHARACTERS - len(sample)
                sample += text[first.start() if first else 0 :][:room]
        if not source.is_partial:
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return 0
    kana = len(_KANA.findall(sample))
    # Another encoding read as this one gives rare kanji and half-width kana, hardly ever real kana.
    return kana if kana > len(_HALF_WIDTH_KANA.findall(sample)) else 0
