"""Bytes to text: which encoding a file is in, and which files are no text at all."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from operator import itemgetter
from typing import NoReturn

from django.utils.translation import gettext as _

from datasets_app.parsing.faults import refuse, refuse_empty
from datasets_app.parsing.limits import MAX_LINES

# The first bytes that name a kind of file. A name is shown as it is, so it needs no translation.
_MAGIC = (
    (b"PAR1", "Parquet"),
    (b"ARROW1", "Arrow"),
    (b"\x1f\x8b", "gzip"),
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
)
_PICKLE = re.compile(rb"\x80[\x02-\x05]")
_ZIP = b"PK\x03\x04"
_BOMS = (
    # The mark of UTF-32 begins with that of UTF-16, so it is tried first.
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_JAPANESE = (("cp932", "shift_jis"), ("euc_jp", "euc-jp"))
_SAMPLE_BYTES = 4096
_SAMPLE_CHARACTERS = 20_000
_BEYOND_ASCII = re.compile("[^\x00-\x7f]")
_KANA = re.compile("[\u3040-\u30ff]")
_THREE_BYTES = re.compile("[\u0800-\uffff]")
_HALF_WIDTH_KANA = re.compile("[\uff61-\uff9f]")


@dataclass(frozen=True, slots=True)
class DecodedText:
    """Text with line feeds only, and the encoding it came in."""

    text: str
    encoding: str


def decode(content: bytes) -> DecodedText:
    """The text of an upload.

    Raises:
        InvalidInputError: nothing in it, no text, or an encoding that is not ours.
    """
    if not content:
        refuse_empty()
    kind = _binary_kind(content)
    if kind:
        refuse(
            _(
                "This is a %(kind)s file, not text. Export your examples as JSON, JSONL or CSV and upload that file."
            )
            % {"kind": kind}
        )
    text, encoding = _decode(content)
    return DecodedText(clean_text(text), encoding)


def clean_text(text: str) -> str:
    """Text with line feeds only.

    Raises:
        InvalidInputError: nothing but white space, or more lines than are read.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text or text.isspace():
        refuse_empty()
    if text.count("\n") > MAX_LINES:
        refuse(
            _("There are more than %(limit)d lines in it. Remove the empty ones or split it.")
            % {"limit": MAX_LINES}
        )
    return text


def _binary_kind(content: bytes) -> str:
    if content.startswith(_ZIP):
        head = content[:_SAMPLE_BYTES]
        is_workbook = b"xl/" in head or b"xl/workbook.xml" in content[-_SAMPLE_BYTES:]
        return "Excel" if is_workbook else "ZIP"
    if _PICKLE.match(content):
        return "pickle"
    return next((name for magic, name in _MAGIC if content.startswith(magic)), "")


def _decode(content: bytes) -> tuple[str, str]:
    for mark, encoding in _BOMS:
        if content.startswith(mark):
            return _decode_strictly(content[len(mark) :], encoding), encoding
    encoding = _utf16_by_nuls(content[:_SAMPLE_BYTES])
    if encoding:
        return _decode_strictly(content, encoding), encoding
    try:
        return content.decode("utf-8"), "utf-8"
    except UnicodeDecodeError as error:
        if b"\x00" in content:
            refuse(_("This file is not text. Upload your examples as JSON, JSONL or CSV."))
        if _is_broken_utf8(content, error):
            _refuse_broken_utf8(content, error)
        return _decode_japanese(content, error)


def _decode_strictly(content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        if error.end >= len(content):
            refuse(
                _(
                    "The file ends in the middle of a character, so it seems to be cut off. Save or download it again."
                )
            )
        refuse(
            _(
                "The file says that it is in %(encoding)s, but it is not. Save it as UTF-8 and upload it again."
            )
            % {"encoding": encoding.upper()}
        )


def _utf16_by_nuls(sample: bytes) -> str:
    """UTF-16 without a mark: every other byte of ASCII text is NUL, and the bytes between never are."""
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    enough = len(sample) // 8
    if even > enough and not odd:
        return "utf-16-be"
    if odd > enough and not even:
        return "utf-16-le"
    return ""


def _is_broken_utf8(content: bytes, error: UnicodeDecodeError) -> bool:
    """Whether more was read as characters of three bytes than was not: other encodings form them only by accident."""
    start = max(0, error.start - _SAMPLE_BYTES)
    text = content[start : error.start + _SAMPLE_BYTES].decode("utf-8", errors="replace")
    broken = text.count("\ufffd")
    return len(_THREE_BYTES.findall(text)) - broken >= broken


def _refuse_broken_utf8(content: bytes, error: UnicodeDecodeError) -> NoReturn:
    if error.reason == "unexpected end of data":
        message = _(
            "The file ends in the middle of a character, so it seems to be cut off. Save or download it again."
        )
    else:
        message = _(
            "This line holds bytes that are not UTF-8. Save the whole file as UTF-8 and upload it again."
        )
    refuse(message, line=_line_of(content, error))


def _line_of(content: bytes, error: UnicodeDecodeError) -> int:
    return content.count(b"\n", 0, error.start) + 1


def _decode_japanese(content: bytes, error: UnicodeDecodeError) -> tuple[str, str]:
    candidates = []
    for codec, name in _JAPANESE:
        try:
            text = content.decode(codec)
        except UnicodeDecodeError:
            continue
        first = _BEYOND_ASCII.search(text)
        sample = text[first.start() : first.start() + _SAMPLE_CHARACTERS] if first else ""
        kana = len(_KANA.findall(sample))
        # Another encoding read as this one gives rare kanji and half-width kana, hardly ever real kana.
        if kana and kana > len(_HALF_WIDTH_KANA.findall(sample)):
            candidates.append((kana, text, name))
    if not candidates:
        refuse(
            _(
                "The encoding of this file is none of UTF-8, UTF-16, Shift_JIS and EUC-JP. "
                "Save it as UTF-8 and upload it again."
            ),
            line=_line_of(content, error),
        )
    _kana, text, name = max(candidates, key=itemgetter(0))
    return text, name
