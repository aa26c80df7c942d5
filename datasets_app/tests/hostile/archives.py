"""Archives and other files that are no text, under honest and dishonest names."""

from __future__ import annotations

import gzip
import io
import pickle
import tarfile
import zipfile
import zlib
from collections.abc import Iterator

from datasets_app.tests.hostile.cases import Hostile, accepted, refused

LINE = b'{"text": "word of the day"}\n'
PACKED = gzip.compress(LINE * 200, mtime=0)


def _zip(name: str, content: bytes = LINE) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


def _tar(mode: str, name: str = "../../etc/passwd") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        member = tarfile.TarInfo(name)
        member.size = len(LINE)
        archive.addfile(member, io.BytesIO(LINE))
    return buffer.getvalue()


def gzip_bomb(piece: bytes, times: int) -> Iterator[bytes]:
    """A gzip file of one piece again and again, never held unpacked."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    for _ in range(times):
        yield packer.compress(piece)
    yield packer.flush()


def _members(content: bytes, count: int) -> bytes:
    return gzip.compress(content, mtime=0) * count


class _Runs:
    """What unpickling would call."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("unpickled",)


def _damaged() -> bytes:
    content = bytearray(PACKED)
    content[len(content) // 2] ^= 0xFF
    return bytes(content)


def _wrong_checksum() -> bytes:
    content = bytearray(PACKED)
    content[-6] ^= 0xFF
    return bytes(content)


GZIP = [
    refused("gzip in gzip", gzip.compress(PACKED), "gzip_in_gzip", None, "data.jsonl.gz"),
    refused(
        "gzip five times",
        gzip.compress(gzip.compress(gzip.compress(gzip.compress(PACKED)))),
        "gzip_in_gzip",
    ),
    refused(
        "gzip cut in the middle", PACKED[: len(PACKED) // 2], "gzip_cut", None, "data.jsonl.gz"
    ),
    refused("gzip cut in its header", PACKED[:6], "gzip_cut", None, "data.jsonl.gz"),
    refused("two bytes of gzip", PACKED[:2], "gzip_cut", None, "data.jsonl.gz"),
    refused("gzip without its end", PACKED[:-8], "gzip_cut", None, "data.jsonl.gz"),
    refused(
        "gzip with garbage behind it", PACKED + b"garbage", "gzip_broken", None, "data.jsonl.gz"
    ),
    refused("gzip with a damaged byte", _damaged(), "gzip_broken", None, "data.jsonl.gz"),
    refused("gzip with a wrong checksum", _wrong_checksum(), "gzip_broken", None, "data.jsonl.gz"),
    refused("gzip of an unknown method", b"\x1f\x8b\x07" + PACKED[3:], "gzip_broken"),
    refused("gzip of nothing", gzip.compress(b""), "empty", None, "data.jsonl.gz"),
    refused("gzip of nothing, 20,000 times", _members(b"", 20_000), "empty", None, "data.jsonl.gz"),
    refused("gzip of a Parquet file", gzip.compress(b"PAR1" + bytes(40) + b"PAR1"), "gzip_parquet"),
    refused("gzip of a tar", gzip.compress(_tar("w")), "binary", None, "data.tar.gz"),
    refused("gzip of a ZIP", gzip.compress(_zip("data.json")), "binary", None, "data.json.gz"),
    refused("gzip of a pickle", gzip.compress(pickle.dumps(_Runs(), protocol=4)), "binary"),
    refused(
        "a bomb of one line of 64 MB",
        lambda: gzip_bomb(b"x" * 65536, 1000),
        "record_too_long",
        1,
        "data.jsonl.gz",
    ),
    refused(
        "a bomb of NULs", lambda: gzip_bomb(bytes(65536), 1000), "record_too_long", 1, "data.csv.gz"
    ),
    refused(
        "a bomb of brackets", lambda: gzip_bomb(b"[" * 65536, 1000), "too_deep", 1, "data.json.gz"
    ),
    refused(
        "a bomb of blank lines",
        lambda: gzip_bomb((b" " * 63 + b"\n") * 1024, 1000),
        "no_records",
        None,
        "data.jsonl.gz",
    ),
    refused(
        "a bomb of bad lines",
        lambda: gzip_bomb((b"{}" + b"x" * 253 + b"\n") * 256, 1000),
        "json_extra",
        1,
        "data.jsonl.gz",
    ),
    accepted("gzip in many members", _members(LINE, 300), "data.jsonl.gz"),
    accepted("gzip with zeros behind it", PACKED + bytes(512), "data.jsonl.gz"),
    accepted("gzip under a wrong name", PACKED, "data.txt"),
]
BINARY = [
    refused("a ZIP", _zip("data.json"), "binary", None, "data.zip"),
    refused("a ZIP named JSON", _zip("data.json"), "binary", None, "data.json"),
    refused("a ZIP bomb", _zip("data.json", bytes(20_000_000)), "binary", None, "data.zip"),
    refused(
        "a ZIP that leaves its folder", _zip("../../../etc/passwd"), "binary", None, "data.zip"
    ),
    refused("an Excel workbook", _zip("xl/workbook.xml"), "binary", None, "data.csv"),
    refused(
        "an old Excel workbook",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
        "binary",
        None,
        "data.xls",
    ),
    refused("a tar", _tar("w"), "binary", None, "data.tar"),
    refused("a tar.gz", _tar("w:gz"), "binary", None, "data.tar.gz"),
    refused("a tar.bz2", _tar("w:bz2"), "binary", None, "data.tar.bz2"),
    refused("a tar.xz", _tar("w:xz"), "binary", None, "data.tar.xz"),
    refused("a pickle named JSON", pickle.dumps(_Runs(), protocol=4), "binary", None, "data.json"),
    refused(
        "a pickle of protocol 2", pickle.dumps(_Runs(), protocol=2), "binary", None, "data.pkl"
    ),
    refused(
        "a pickle of protocol 0", pickle.dumps(_Runs(), protocol=0), "not_list", 1, "data.json"
    ),
    refused("7-Zip", b"7z\xbc\xaf\x27\x1c" + bytes(40), "binary"),
    refused("Zstandard", b"\x28\xb5\x2f\xfd" + bytes(40), "binary", None, "data.jsonl.zst"),
    refused("RAR", b"Rar!\x1a\x07\x01\x00" + bytes(40), "binary"),
    refused("SQLite", b"SQLite format 3\x00" + bytes(90), "binary", None, "data.db"),
    refused("PNG", b"\x89PNG\r\n\x1a\n" + bytes(40), "binary", None, "data.csv"),
    refused("PDF", b"%PDF-1.7\n1 0 obj\n", "binary", None, "data.csv"),
    refused("GGUF", b"GGUF\x03\x00\x00\x00" + bytes(40), "binary"),
    refused("NumPy", b"\x93NUMPY\x01\x00" + bytes(40), "binary"),
    refused("Arrow", b"ARROW1\x00\x00" + bytes(40), "binary", None, "data.arrow"),
    refused("ELF", b"\x7fELF" + bytes(60), "binary"),
]
CASES: list[Hostile] = [*GZIP, *BINARY]
