"""Parquet: damaged places, dishonest footers, columns of the wrong kind, and strings that unfold."""

from __future__ import annotations

import datetime
import decimal
import io
from collections.abc import Callable, Iterator
from typing import Any

from datasets_app.tests.hostile.cases import Hostile, accepted, refused

WORDS = ["the bell rings", "the gate opens", "the light goes out"] * 20
_END_BYTES = 8
"""Length of the footer and the closing mark."""


def parquet(columns: dict[str, Any], **options: Any) -> bytes:
    """A Parquet file of these columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table(
        {
            name: values if isinstance(values, pa.Array) else pa.array(values)
            for name, values in columns.items()
        }
    )
    buffer = io.BytesIO()
    pq.write_table(table, buffer, **options)
    return buffer.getvalue()


def _file(columns: dict[str, Any], **options: Any) -> Callable[[], Iterator[bytes]]:
    def build() -> Iterator[bytes]:
        yield parquet(columns, **options)

    return build


def _typed(values: list[Any], make_type: Callable[[Any], Any]) -> Callable[[], Iterator[bytes]]:
    """A column `text` of a type that pyarrow has a name for."""

    def build() -> Iterator[bytes]:
        import pyarrow as pa

        yield parquet({"text": pa.array(values, make_type(pa))})

    return build


def _changed(change: Callable[[bytearray], None]) -> Callable[[], Iterator[bytes]]:
    def build() -> Iterator[bytes]:
        content = bytearray(parquet({"text": WORDS}, compression="none"))
        change(content)
        yield bytes(content)

    return build


def _flipped(share: float) -> Callable[[], Iterator[bytes]]:
    """A run of bytes at one place of the file is turned around."""

    def change(content: bytearray) -> None:
        place = int(share * (len(content) - 24))
        for index in range(place, place + 12):
            content[index] ^= 0xFF

    return _changed(change)


def _footer_length(content: bytearray) -> int:
    return int.from_bytes(content[-_END_BYTES:-4], "little")


def _set_footer_length(length: int) -> Callable[[], Iterator[bytes]]:
    def change(content: bytearray) -> None:
        content[-_END_BYTES:-4] = length.to_bytes(4, "little")

    return _changed(change)


def _flip_footer(content: bytearray) -> None:
    start = len(content) - _END_BYTES - _footer_length(content)
    for index in range(start, len(content) - _END_BYTES, 3):
        content[index] ^= 0x55


def _flip_page_header(content: bytearray) -> None:
    content[4:12] = b"\xff" * 8


def _varint(value: int) -> bytes:
    """A signed number as Thrift's compact protocol writes it."""
    rest = value << 1
    encoded = bytearray()
    while rest > 0x7F:
        encoded.append(rest & 0x7F | 0x80)
        rest >>= 7
    encoded.append(rest)
    return bytes(encoded)


def _claiming(what: str, claim: int, padding: int = 0) -> Callable[[], Iterator[bytes]]:
    """A file whose footer tells another number of rows, or another size of its row group."""

    def build() -> Iterator[bytes]:
        import pyarrow.parquet as pq

        content = parquet({"text": [f"{word} {index}" for index, word in enumerate(WORDS * 20)]})
        metadata = pq.read_metadata(io.BytesIO(content))
        true = metadata.num_rows if what == "rows" else metadata.row_group(0).total_byte_size
        start = len(content) - _END_BYTES - _footer_length(bytearray(content))
        footer = content[start:-_END_BYTES]
        assert _varint(true) in footer
        changed = footer.replace(_varint(true), _varint(claim))
        yield content[:start] + bytes(padding) + changed
        yield len(changed).to_bytes(4, "little") + b"PAR1"

    return build


def _deep(levels: int) -> Callable[[], Iterator[bytes]]:
    def build() -> Iterator[bytes]:
        import pyarrow as pa

        kind: Any = pa.string()
        value: Any = "word"
        for _ in range(levels):
            kind, value = pa.struct([("a", kind)]), {"a": value}
        yield parquet({"text": ["word"], "extra": pa.array([value], kind)})

    return build


def dictionary_file(length: int, rows: int) -> Callable[[], Iterator[bytes]]:
    """One long string, written once, in every row."""

    def build() -> Iterator[bytes]:
        import pyarrow as pa

        values = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), ["x" * length])
        yield parquet({"text": values}, compression="zstd")

    return build


def _plain(length: int, rows: int) -> Callable[[], Iterator[bytes]]:
    """One string in every row, written again and again and packed well."""

    def build() -> Iterator[bytes]:
        yield parquet({"text": ["x" * length] * rows}, compression="zstd", use_dictionary=False)

    return build


NOW = datetime.datetime(2025, 4, 7, 8, 30, tzinfo=datetime.UTC)
DAMAGED = [
    refused("only the mark", b"PAR1", "parquet_broken"),
    refused("a mark at both ends", b"PAR1PAR1", "parquet_broken"),
    refused("a mark before text", b'PAR1{"text": "word"}', "parquet_broken"),
    refused("a million NULs between marks", b"PAR1" + bytes(1_000_000) + b"PAR1", "parquet_broken"),
    refused(
        "no end", _changed(lambda content: content.__delitem__(slice(-20, None))), "parquet_broken"
    ),
    refused(
        "half of a file",
        _changed(lambda content: content.__delitem__(slice(len(content) // 2, None))),
        "parquet_broken",
    ),
    refused("a damaged footer", _changed(_flip_footer), "parquet_broken"),
    refused("a footer of no length", _set_footer_length(0), "parquet_broken"),
    refused("a footer longer than the file", _set_footer_length(2**31 - 1), "parquet_broken"),
    refused("a footer of four gigabytes", _set_footer_length(2**32 - 1), "parquet_broken"),
    refused("a footer that starts elsewhere", _set_footer_length(30), "parquet_broken"),
    refused("a damaged header of a page", _changed(_flip_page_header), "parquet_broken", 1),
    refused("a damaged first page", _flipped(0.02), "parquet_broken", 1),
    refused("a damaged schema", _flipped(0.35), "parquet_broken"),
    refused("a damaged last part", _flipped(0.8), "parquet_broken"),
    refused("an encrypted footer", b"PARE" + bytes(60) + b"PARE", "nul", 1),
]
CLAIMS = [
    refused("a row group of four gigabytes", _claiming("size", 4 * 2**30), "too_large_unpacked"),
    refused("a row group of 900 megabytes in a small file", _claiming("size", 900 * 2**20), "bomb"),
    refused(
        "a row group of 150 megabytes",
        _claiming("size", 150 * 2**20, padding=2**20),
        "parquet_row_group",
    ),
    refused("20 megabytes of one text", _plain(1000, 20_000), "bomb"),
    refused(
        "a string of a megabyte in 200 rows", dictionary_file(2**20, 200), "record_too_long", 1
    ),
    refused(
        "a string of 100 KB in 2,000 rows", dictionary_file(100_000, 2000), "record_too_long", 1
    ),
]
COLUMNS = [
    refused("300 columns", _file({f"c{index}": ["x"] for index in range(300)}), "too_many_columns"),
    refused(
        "2,000 columns", _file({f"c{index}": ["x"] for index in range(2000)}), "too_many_columns"
    ),
    refused("unknown columns", _file({"front": ["a"], "back": ["b"]}), "unknown_shape", 1),
    refused("zero rows", _file({"text": []}), "no_records"),
    refused("a column of bytes", _file({"text": [b"\xff\xfe", b"word"]}), "binary_value", 1),
    refused(
        "pictures",
        _file({"image": [{"bytes": b"\x89PNG", "path": "a.png"}], "text": ["a"]}),
        "binary_value",
        1,
    ),
    refused("a text that is null", _file({"text": ["word", None]}), "missing_field", 2),
    refused(
        "a text that is always null",
        _typed([None, None], lambda pa: pa.string()),
        "missing_field",
        1,
    ),
    refused("a text that is a number", _file({"text": [1, 2]}), "not_text", 1),
    refused("a text that is a list", _file({"text": [["a"], ["b"]]}), "not_text", 1),
    refused("a text that is a flag", _file({"text": [True, False]}), "not_text", 1),
    refused("a text that is a struct", _file({"text": [{"a": "b"}]}), "not_text", 1),
    refused("a text that is infinite", _file({"text": [float("inf")]}), "not_finite", 1),
    refused("a NUL in a text", _file({"text": ["word", "a\x00b"]}), "nul", 2),
    refused("an empty text", _file({"text": ["word", " "]}), "empty_field", 2),
    refused("messages that are texts", _file({"messages": ["hello"]}), "bad_messages", 1),
    refused("messages of lists", _file({"messages": [[["user", "hello"]]]}), "bad_messages", 1),
    refused("structs 70 deep", _deep(70), "too_deep", 1),
    refused("structs 300 deep", _deep(300), "parquet_broken"),
    refused("structs 700 deep", _deep(700), "parquet_broken"),
    refused(
        "chosen and rejected",
        _file({"prompt": ["a"], "chosen": ["b"], "rejected": ["c"]}),
        "preference",
    ),
    accepted(
        "times beside a text",
        _file(
            {
                "text": ["word"],
                "made": [NOW],
                "day": [NOW.date()],
                "price": [decimal.Decimal("1.50")],
            }
        ),
    ),
    accepted("times of nanoseconds", _file({"text": ["word"], "made": [1]})),
    accepted("structs 20 deep", _deep(20)),
    accepted("a large string", _typed(["word"], lambda pa: pa.large_string())),
    accepted("under the name of a CSV", _file({"text": WORDS}), "data.csv"),
]
CASES: list[Hostile] = [*DAMAGED, *CLAIMS, *COLUMNS]
