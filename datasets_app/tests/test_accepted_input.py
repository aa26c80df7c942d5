"""What people send in good faith is read as they meant it."""

from __future__ import annotations

import codecs
import json

import pytest

from accounts.models import User
from datasets_app.models import Dataset
from datasets_app.selectors import latest_version, read_records
from datasets_app.services.creating import create_dataset_from_text
from datasets_app.tests.factories import CHAT, COMPLETION, INSTRUCTION, json_lines, upload

pytestmark = pytest.mark.django_db
JAPANESE = {"instruction": "庭に水をやるのは誰ですか。", "output": "二年B組のみんなです。"}
JAPANESE_CSV = "instruction,output\n庭に水をやるのは誰ですか。,二年B組のみんなです。\n"


def records_of(dataset: Dataset) -> list[dict]:
    return read_records(latest_version(dataset), limit=100)


@pytest.mark.parametrize(
    "content",
    [
        json_lines(INSTRUCTION, INSTRUCTION | {"output": "Nobody."}),
        json.dumps([INSTRUCTION, INSTRUCTION | {"output": "Nobody."}]).encode(),
        json.dumps([INSTRUCTION, INSTRUCTION | {"output": "Nobody."}], indent=4).encode(),
        json.dumps(
            {"version": 1, "data": [INSTRUCTION, INSTRUCTION | {"output": "Nobody."}], "by": "me"}
        ).encode(),
        json_lines(INSTRUCTION, INSTRUCTION | {"output": "Nobody."}).replace(b"\n", b"\r\n\r\n"),
        json_lines(INSTRUCTION, INSTRUCTION | {"output": "Nobody."}).replace(b"\n", b"\r"),
        codecs.BOM_UTF8 + json_lines(INSTRUCTION, INSTRUCTION | {"output": "Nobody."}),
        b"instruction,output\nWho waters the garden?,Class 2B waters it.\nWho waters the garden?,Nobody.\n",
        b"Instruction;Output\nWho waters the garden?;Class 2B waters it.\nWho waters the garden?;Nobody.\n",
        b"instruction\toutput\nWho waters the garden?\tClass 2B waters it.\nWho waters the garden?\tNobody.\n",
    ],
)
def test_format_is_found_in_the_content(content: bytes, student: User) -> None:
    for file_name in ("data", "data.txt"):
        dataset = upload(student, content, file_name)
        assert records_of(dataset) == [INSTRUCTION, INSTRUCTION | {"output": "Nobody."}]
        assert dataset.type == "instruction"


@pytest.mark.parametrize(
    ("record", "kind"), [(INSTRUCTION, "instruction"), (CHAT, "chat"), (COMPLETION, "completion")]
)
def test_type_is_found_in_the_first_record(record: dict, kind: str, student: User) -> None:
    assert upload(student, json_lines(record)).type == kind
    assert upload(student, json.dumps(record, indent=1).encode()).type == kind


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (json_lines(JAPANESE), "utf-8"),
        (json_lines(JAPANESE).decode().encode("cp932"), "shift_jis"),
        (JAPANESE_CSV.encode("cp932"), "shift_jis"),
        (json_lines(JAPANESE).decode().encode("euc_jp"), "euc-jp"),
        (JAPANESE_CSV.encode("euc_jp"), "euc-jp"),
        (codecs.BOM_UTF16_LE + json_lines(JAPANESE).decode().encode("utf-16-le"), "utf-16-le"),
        (codecs.BOM_UTF16_BE + JAPANESE_CSV.encode("utf-16-be"), "utf-16-be"),
        (json_lines(JAPANESE).decode().encode("utf-16-le"), "utf-16-le"),
        (json_lines(JAPANESE).decode().encode("utf-16-be"), "utf-16-be"),
        (codecs.BOM_UTF32_LE + json_lines(JAPANESE).decode().encode("utf-32-le"), "utf-32-le"),
    ],
)
def test_encoding_is_found_and_told(content: bytes, encoding: str, student: User) -> None:
    dataset = upload(student, content)
    version = latest_version(dataset)
    assert records_of(dataset) == [JAPANESE]
    assert version.source_encoding == encoding
    assert [issue["code"] for issue in version.issues] == (
        [] if encoding == "utf-8" else ["encoding"]
    )


def test_half_width_katakana_of_shift_jis_is_kept(student: User) -> None:
    text = 'text\n"ﾃｽﾄのための文です。"\n'
    assert records_of(upload(student, text.encode("cp932")))[0]["text"] == "ﾃｽﾄのための文です。"


def test_csv_keeps_quotes_commas_and_lines_in_a_cell(student: User) -> None:
    content = b'prompt,completion,\n"say ""hi"", twice","line one\r\nline two",\n\n'
    assert records_of(upload(student, content)) == [
        {"prompt": 'say "hi", twice', "completion": "line one\nline two"}
    ]


def test_csv_leaves_out_unknown_columns_and_says_so(student: User) -> None:
    dataset = upload(student, b"id,Instruction,Input,Output,note\n1,Why?,,Because.,x\n")
    assert records_of(dataset) == [{"instruction": "Why?", "output": "Because."}]
    (issue,) = latest_version(dataset).issues
    assert (issue["code"], issue["params"]) == ("ignored_columns", {"columns": "id, note"})


def test_json_keeps_fields_that_training_does_not_use(student: User) -> None:
    record = INSTRUCTION | {"source": {"page": 4, "tags": ["a", "b"]}, "ok": True, "weight": 0.5}
    assert records_of(upload(student, json_lines(record))) == [record]


def test_duplicates_and_short_answers_are_told_with_their_lines(student: User) -> None:
    version = latest_version(
        upload(student, json_lines(INSTRUCTION, INSTRUCTION, {"instruction": "a", "output": "b"}))
    )
    found = {
        issue["code"]: (issue["severity"], issue["count"], issue["lines"])
        for issue in version.issues
    }
    assert found == {"duplicates": ("warning", 1, [2]), "short_answers": ("info", 1, [3])}


def test_pasted_text_may_begin_with_a_byte_order_mark(student: User) -> None:
    dataset = create_dataset_from_text(
        student, text="\ufeff" + json_lines(CHAT).decode(), name="Pasted"
    )
    assert records_of(dataset) == [CHAT]


def test_a_link_mark_inside_a_text_is_no_fault(student: User) -> None:
    record = {"text": "zero\ufeffwidth 👩\u200d🔬"}
    assert records_of(upload(student, json_lines(record))) == [record]
