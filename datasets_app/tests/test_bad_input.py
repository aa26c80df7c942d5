"""Whatever is uploaded: a clear sentence with 4xx, and nothing stored."""

from __future__ import annotations

import codecs
import gzip
import io
import json
import pickle
import re
import zipfile
from dataclasses import dataclass
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.files.uploadedfile import SimpleUploadedFile

from accounts.models import User
from common.errors import DomainError, InvalidInputError, TooLargeError
from datasets_app.services.creating import (
    create_dataset,
    create_dataset_from_text,
    create_dataset_from_upload,
)
from datasets_app.tests.factories import (
    CHAT,
    COMPLETION,
    INSTRUCTION,
    assert_nothing_stored,
    json_lines,
    stored_files,
    upload,
)

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class Bad:
    """One input, what its sentences must say, and the lines they must name."""

    name: str
    content: bytes
    says: str
    lines: tuple[int | None, ...] = (None,)
    file_name: str = "upload"


def zipped(name: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, "text" * 100)
    return buffer.getvalue()


ONE = json.dumps(INSTRUCTION)
PRETTY = json.dumps([INSTRUCTION, INSTRUCTION], indent=2)
JAPANESE = "instruction,output\n質問です,これは答えです\n"
LATIN = "instruction,output\nUn café déjà là,Très bien élevé à Orléans\n"

BINARY = [
    Bad("zip", zipped("data.json"), "ZIP file"),
    Bad("xlsx", zipped("xl/workbook.xml"), "Excel file", file_name="data.csv"),
    Bad("gzip in gzip", gzip.compress(gzip.compress(ONE.encode())), "another gzip file"),
    Bad("a cut gzip", gzip.compress(ONE.encode() * 99)[:-12], "cut off"),
    Bad("a damaged gzip", b"\x1f\x8b\x08\x00" + bytes(30), "is damaged"),
    Bad("a parquet", b"PAR1\x15\x04\x15\x00PAR1", "Parquet file is damaged"),
    Bad("arrow", b"ARROW1\x00\x00", "Arrow file"),
    Bad("png", b"\x89PNG\r\n\x1a\n\x00\x00", "PNG file", file_name="data.json"),
    Bad("jpeg", b"\xff\xd8\xff\xe0\x00\x10JFIF", "JPEG file"),
    Bad("pdf", b"%PDF-1.7\n1 0 obj", "PDF file"),
    Bad("pickle", pickle.dumps([INSTRUCTION]), "pickle file", file_name="data.pkl"),
    Bad("old excel", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(20), "Microsoft Office file"),
    Bad("sqlite", b"SQLite format 3\x00" + bytes(20), "SQLite file"),
    Bad("gguf", b"GGUF\x03\x00\x00\x00", "GGUF file"),
    Bad("nothing known", bytes(range(256)) * 4, "not text"),
]
ENCODINGS = [
    Bad("latin-1", LATIN.encode("latin-1"), "none of UTF-8", (2,)),
    Bad("cut in a character", '{"text": "日本'.encode()[:-1], "cut off", (1,)),
    Bad(
        "cut in a character of UTF-16",
        codecs.BOM_UTF16_LE + ONE.encode("utf-16-le")[:-1],
        "cut off",
    ),
    Bad(
        "a mark of UTF-16 before UTF-8",
        codecs.BOM_UTF16_LE + "日本語".encode() * 9 + b"\xd8\x00",
        "cut off|UTF-16-LE",
    ),
    Bad(
        "UTF-8 that turns into noise",
        '{"text": "日本語の文"}\n'.encode() + b'{"text": "\xff\xfe\xfa"}\n',
        "not UTF-8",
        (2,),
    ),
    Bad("Shift_JIS cut in a character", JAPANESE.encode("cp932")[:-2], "none of UTF-8", (2,)),
    Bad("EUC-JP cut in a character", JAPANESE.encode("euc_jp")[:-2], "none of UTF-8", (2,)),
    Bad("UTF-16 with nothing in it", codecs.BOM_UTF16_LE, "empty"),
]
NOTHING = [
    Bad("empty", b"", "empty"),
    Bad("white space", b" \n\t\r\n  ", "empty"),
    Bad("only a byte order mark", codecs.BOM_UTF8, "empty"),
    Bad("an empty list", b"[]", "no records"),
    Bad("an empty list under data", b'{"data": []}', "no records"),
    Bad("a header without rows", b"instruction,output\n", "no records"),
    Bad("a header and rows of commas", b"instruction,output\n,\n,\n", "no records"),
    Bad("an empty object", b"{}", "record is empty", (1,)),
]
JSON_DOCUMENTS = [
    Bad("cut in a text", PRETTY[:60].encode(), "cut off", (4,)),
    Bad("cut after a record", f"[{ONE},\n".encode(), "cut off", (1,)),
    Bad("cut before the bracket", f"[\n{ONE}\n".encode(), "cut off", (2,)),
    Bad("cut in a word", b'[{"text": tru', "cut off", (1,)),
    Bad("cut in an escape", b'[{"text": "\\u30', "cut off", (1,)),
    Bad("cut under data", f'{{"data": [\n{ONE},\n'.encode(), "cut off", (2,)),
    Bad("a comma too many", f"[{ONE},\n]".encode(), "comma before the closing bracket", (2,)),
    Bad("a comma too few", f"[{ONE}\n{ONE}]".encode(), "comma .* is missing", (2,)),
    Bad("a colon too few", b'[{"text" "word"}]', "colon is missing", (1,)),
    Bad("single quotes", b"[{'text': 'word'}]", "single quote", (1,)),
    Bad("a comment", b'[\n// note\n{"text": "word"}]', "comment", (2,)),
    Bad("Python words", b'[{"text": None}]', "Python word", (1,)),
    Bad("an open quote", b'[{"text": "word},\n{"text": "word"}]', "no closing quote", (1,)),
    Bad("a bad escape", b'[{"text": "C:\\path"}]', "backslash", (1,)),
    Bad("a raw tab in a text", b'[{"text": "a\tb"}]', "control character", (1,)),
    Bad("text after the end", f"[{ONE}]\n\n[1]".encode(), "after the end", (3,)),
    Bad("data that is no list", b'{"data": {"text": "word"}}', "must hold a list", (1,)),
    Bad("data twice", f'{{"data": [{ONE}],\n"data": []}}'.encode(), "stands twice", (2,)),
    Bad("a bare word", b'"hello"', "list of records", (1,), "data.json"),
    Bad("a bare null", b"null", "list of records", (1,), "data.json"),
    Bad("records that are none", b'["word", 3, null, [1]]', "no record", (1, 1, 1, 1)),
    Bad("nested beyond the reader", b"[" * 100_000, "nested", (1,)),
    Bad(
        "nested deeply", b'[{"text": "word", "x": ' + b"[" * 70 + b"]" * 70 + b"}]", "nested", (1,)
    ),
    Bad("NaN", b'[{"text": "word", "score": NaN}]', "NaN", (1,)),
    Bad("an endless exponent", b'[{"text": "word", "score": 1e400}]', "infinite", (1,)),
    Bad(
        "a number of 5000 digits", b'[{"text": "word", "x": ' + b"1" * 5000 + b"}]", "digits", (1,)
    ),
    Bad("a field twice", b'[{"text": "word", "text": "other"}]', "stands twice", (1,)),
]
JSON_LINES = [
    Bad("a cut last line", f"{ONE}\n{ONE[:30]}".encode(), "cut off", (2,)),
    Bad(
        "a cut line in the middle",
        f"{ONE}\n{ONE[:30]}\n{ONE}\n".encode(),
        "not closed on its line",
        (2,),
    ),
    Bad(
        "two records on a line",
        f"{ONE}{ONE}\n{ONE}\n".encode(),
        "after the end of the record",
        (1,),
    ),
    Bad("a line that is no object", f"{ONE}\n[1]\n".encode(), "no record", (2,)),
    Bad("a byte order mark inside", f"{ONE}\n\ufeff{ONE}\n".encode(), "byte order mark", (2,)),
    Bad("a NUL in a text", b'{"text": "wo\\u0000rd"}', "NUL", (1,)),
    Bad("a raw NUL", f"{ONE}\n".encode() + b'{"text": "wo\x00rd"}\n', "NUL", (2,)),
    Bad("half a character", b'{"text": "word"}\n{"text": "\\ud83d"}', "half of a character", (2,)),
    Bad(
        "half a character in a name", b'{"text": "word", "\\udc00": 1}', "half of a character", (1,)
    ),
    Bad("line feeds of old Macs", f"{ONE}\r{ONE[:20]}\r{ONE}".encode(), "not closed", (2,)),
    Bad("no JSON at all", b"hello\nworld\n", "not valid JSON|cut off", (1, 2), "data.jsonl"),
]
SHAPES = [
    Bad(
        "unknown fields",
        b'{"front": "Why?", "back": "So."}',
        "fields “front, back”",
        (1,),
    ),
    Bad(
        "a missing field",
        json_lines(INSTRUCTION, {"instruction": "Why?"}),
        "“output” is missing",
        (2,),
    ),
    Bad(
        "an empty field",
        json_lines(INSTRUCTION, INSTRUCTION | {"output": "  "}),
        "“output” is empty",
        (2,),
    ),
    Bad("a number for text", json_lines(INSTRUCTION | {"output": 4}), "must hold text", (1,)),
    Bad("a list for text", json_lines({"text": ["a", "b"]}), "must hold text", (1,)),
    Bad(
        "an object for an optional text",
        json_lines(INSTRUCTION | {"input": {}}),
        "“input” must hold text",
        (1,),
    ),
    Bad("null for text", json_lines({"text": None}), "is missing", (1,)),
    Bad(
        "messages that are text",
        json_lines({"messages": "hello"}),
        "must be a list of objects",
        (1,),
    ),
    Bad("no messages", json_lines({"messages": []}), "must be a list of objects", (1,)),
    Bad(
        "a message that is text",
        json_lines({"messages": ["hello"]}),
        "must be a list of objects",
        (1,),
    ),
    Bad(
        "a role that is unknown",
        json_lines({"messages": [{"role": "narrator", "content": "a"}]}),
        "role “narrator”",
        (1,),
    ),
    Bad(
        "a role that is a list",
        json_lines({"messages": [{"role": [1], "content": "a"}]}),
        "role .* is unknown",
        (1,),
    ),
    Bad(
        "no answer", json_lines({"messages": [{"role": "user", "content": "a"}]}), "no answer", (1,)
    ),
    Bad("two shapes", json_lines(INSTRUCTION, CHAT, COMPLETION), "Keep to one shape", (2, 3)),
    Bad("a record of 70 KB", json_lines({"text": "x" * 70_000}), "longer than 64 KiB", (1,)),
]
CSV = [
    Bad("wrong columns", b"front,back\na,b\n", "names the columns “front, back”", (1,)),
    Bad("one wrong column", b"instruction,note\na,b\n", "instruction and output", (1,)),
    Bad("plain prose", b"Dear students,\nplease find attached\n", "names the columns", (1,)),
    Bad("HTML", b"<!doctype html>\n<p>Sign in</p>\n", "names the columns", (1,)),
    Bad("a chat of plain cells", b"messages\nhello\n", "must be a list of objects", (2,)),
    Bad("a column twice", b"text,text\na,b\n", "“text” stands twice", (1,)),
    Bad(
        "a cell too many", b"prompt,completion\na,b\nc,d,e\n", "3 cells, but the header has 2", (3,)
    ),
    Bad("a cell too few", b"prompt,completion\na\n", "1 cells?, but the header has 2", (2,)),
    Bad("an open quote", b'prompt,completion\na,b\nc,"d\ne,f\n', "never closed", (3,)),
    Bad("text after a quote", b'prompt,completion\na,"b" c\n', "after a closing quote", (2,)),
    Bad("a cell of 70 KB", b"text\nshort one\n" + b"x" * 70_000, "longer than 64 KiB", (3,)),
    Bad("an open quote before 70 KB", b'text\n"' + b"x\n" * 40_000, "quote missing", (2,)),
    Bad("an empty cell", b"prompt,completion\na,\n", "“completion” is empty", (2,)),
    Bad("a NUL", b"prompt,completion\na,b\x00c\n", "NUL", (2,)),
    Bad(
        "a byte order mark inside",
        "prompt,completion\na,b\n\ufeffc,d\n".encode(),
        "byte order mark",
        (3,),
    ),
    Bad("lines in a cell before the fault", b'text,x\n"a\nb\nc",1\nd\n', "cells", (5,)),
]
CASES = [*BINARY, *ENCODINGS, *NOTHING, *JSON_DOCUMENTS, *JSON_LINES, *SHAPES, *CSV]


@pytest.mark.parametrize("bad", CASES, ids=lambda bad: bad.name)
def test_bad_upload_is_refused_with_a_sentence_and_stores_nothing(bad: Bad, student: User) -> None:
    before = stored_files()
    with pytest.raises(InvalidInputError, match=".") as refusal:
        upload(student, bad.content, bad.file_name)
    assert_refusal(refusal.value, bad.says, bad.lines)
    assert_nothing_stored(before)


def assert_refusal(error: DomainError, says: str, lines: tuple[int | None, ...]) -> None:
    assert 400 <= error.status < 500
    sentences = [str(fault.message) for fault in error.faults]
    assert any(re.search(says, sentence) for sentence in sentences), sentences
    assert all(sentence.endswith((".", "?")) and "%(" not in sentence for sentence in sentences)
    assert tuple(fault.line for fault in error.faults) == lines


@pytest.mark.parametrize("bad", [*JSON_DOCUMENTS, *JSON_LINES, *SHAPES], ids=lambda bad: bad.name)
def test_bad_pasted_text_is_refused_like_a_file(bad: Bad, student: User) -> None:
    before = stored_files()
    with pytest.raises(InvalidInputError, match="."):
        create_dataset_from_text(student, text=bad.content.decode(), name="Pasted")
    assert_nothing_stored(before)


@pytest.mark.parametrize(
    ("records", "says", "lines"),
    [
        ([], "no records", (None,)),
        ([INSTRUCTION, "word"], "no record", (2,)),
        ([INSTRUCTION | {"score": float("nan")}], "NaN", (1,)),
        ([INSTRUCTION | {"score": float("-inf")}], "infinite", (1,)),
        ([{"text": "\ud800"}], "half of a character", (1,)),
        ([{"text": "a\x00"}], "NUL", (1,)),
        ([{"text": "x" * 70_000}], "64 KiB", (1,)),
        ([CHAT, INSTRUCTION], "Keep to one shape", (2,)),
        ([[[[]]]], "no record", (1,)),
    ],
)
def test_bad_records_of_a_program_are_refused(
    records: list[Any], says: str, lines: tuple[int | None, ...], student: User
) -> None:
    before = stored_files()
    with pytest.raises(InvalidInputError, match=".") as refusal:
        create_dataset(student, name="API", records=records)
    assert_refusal(refusal.value, says, lines)
    assert_nothing_stored(before)


@pytest.mark.parametrize(
    ("labels", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": " \n "}, "name"),
        ({"name": "x" * 121}, "name"),
        ({"name": "bell\x07"}, "name"),
        ({"name": "\ud800"}, "name"),
        ({"name": "txt.\u202eexe"}, "name"),
        ({"name": "ok", "description": "x" * 2001}, "description"),
        ({"name": "ok", "description": "a\x00b"}, "description"),
        ({"name": "ok", "dataset_type": "poem"}, "type"),
    ],
)
def test_bad_labels_are_told_by_field(labels: dict[str, str], field: str, student: User) -> None:
    with pytest.raises(InvalidInputError, match=".") as refusal:
        create_dataset(student, records=[INSTRUCTION], **labels)
    assert [fault.field for fault in refusal.value.faults] == [field]


def test_a_type_that_the_records_do_not_have_is_told(student: User) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        upload(student, json_lines(CHAT), dataset_type="instruction")
    assert "chat record in a dataset of instruction records" in str(refusal.value.faults[0].message)


def test_columns_are_compared_with_the_type_that_was_chosen(student: User) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        upload(student, b"instruction,output\na,b\n", "data.csv", dataset_type="completion")
    assert "prompt and completion, or text" in str(refusal.value.faults[0].message)


def test_more_bytes_than_allowed_are_refused_with_both_sizes(
    student: User, settings: LazySettings
) -> None:
    settings.MAX_UPLOAD_BYTES = 2048
    before = stored_files()
    with pytest.raises(TooLargeError, match=r"3\.0.KB.*2\.0.KB") as refusal:
        upload(student, b"x" * 3072)
    assert refusal.value.status == 413
    with pytest.raises(TooLargeError):
        create_dataset_from_text(student, text="日" * 1024, name="Pasted")
    assert_nothing_stored(before)


def test_a_file_above_the_limit_is_refused_unread(student: User) -> None:
    class Unreadable(SimpleUploadedFile):
        def read(self, *args: Any) -> bytes:
            raise AssertionError("was read")

    file = Unreadable("big.jsonl", b"")
    file.size = 3 * 1024 * 1024 * 1024
    with pytest.raises(TooLargeError, match=r"3\.0.GB"):
        create_dataset_from_upload(student, file=file)


def test_a_file_that_lies_about_its_size_is_read_no_further_than_the_limit(
    student: User, settings: LazySettings
) -> None:
    settings.MAX_UPLOAD_BYTES = 1000
    file = SimpleUploadedFile("big.jsonl", b"x" * 5000)
    file.size = 10
    with pytest.raises(TooLargeError):
        create_dataset_from_upload(student, file=file)
    assert file.tell() <= 1001


@pytest.mark.parametrize(
    "content", [json_lines(*[INSTRUCTION] * 4), b'{"a\n' * 4, b"prompt,completion\n" + b"a,b\n" * 4]
)
def test_more_records_than_allowed_are_refused(
    content: bytes, student: User, settings: LazySettings
) -> None:
    settings.MAX_EXAMPLES = 3
    before = stored_files()
    with pytest.raises(InvalidInputError) as refusal:
        upload(student, content, "data.jsonl" if content.startswith(b"{") else "data.csv")
    assert any("more than 3 records" in str(fault.message) for fault in refusal.value.faults)
    assert_nothing_stored(before)


def test_a_fault_on_many_lines_names_ten_and_counts_the_rest(student: User) -> None:
    with pytest.raises(InvalidInputError, match="25 faults") as refusal:
        upload(student, json_lines(*[{"instruction": "Why?", "output": ""}] * 25))
    faults = refusal.value.faults
    assert [fault.line for fault in faults] == [*range(1, 11), None]
    assert str(faults[-1].message) == "15 more records have the same fault as line 1."


def test_at_most_fifty_faults_are_listed(student: User) -> None:
    kinds = [
        INSTRUCTION | {"output": 1},
        {"instruction": "a", "output": ""},
        {"output": "a"},
        {"x": 1},
        3,
        CHAT,
    ]
    kinds += [INSTRUCTION | {"input": 1}, INSTRUCTION | {"system": 1}]
    with pytest.raises(InvalidInputError) as refusal:
        upload(student, json_lines(INSTRUCTION, *kinds * 12))
    assert len(refusal.value.faults) == 51
    assert str(refusal.value.faults[-1].message) == "And 46 more faults."
