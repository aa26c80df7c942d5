"""Tables for other programs: nothing in them is a formula, and nothing is lost."""

from __future__ import annotations

import codecs
import csv
import io
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import ConflictError
from common.safe_csv import plain_text, safe_cell
from datasets_app.versions.exporting import (
    MAX_COLUMNS,
    csv_columns,
    csv_pieces,
    find_shape,
    write_parquet,
)

TRIGGERS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
# Plain texts seldom begin with a trigger, so some are made that do.
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.text(st.sampled_from([*TRIGGERS, " ", "\u3000", "\u00a0", "'", "1", "名"]), max_size=6),
)


def read_csv(records: list[dict[str, Any]], *, are_chats: bool = False) -> list[dict[str, str]]:
    columns = csv_columns(find_shape(records, are_chats=are_chats))
    content = b"".join(csv_pieces(records, columns))
    assert content.startswith(codecs.BOM_UTF8)
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def read_parquet(records: list[dict[str, Any]], *, are_chats: bool = False) -> pq.ParquetFile:
    sink = io.BytesIO()
    write_parquet(records, find_shape(records, are_chats=are_chats), sink)
    return pq.ParquetFile(sink)


@given(TEXTS)
def test_no_cell_begins_like_a_formula(text: str) -> None:
    escaped = safe_cell(text)
    assert not escaped.startswith(TRIGGERS)
    assert not escaped.lstrip().startswith(TRIGGERS)


@given(TEXTS)
def test_every_text_comes_back(text: str) -> None:
    assert plain_text(safe_cell(text)) == text


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx", "  =1", "\u3000＝1", "＋1", "－1", "＠x"],
)
def test_formulas_get_an_apostrophe(text: str) -> None:
    assert safe_cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "a=b", "1-2", "名前", "'quoted'", " plain"])
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert safe_cell(text) == text


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=5))
def test_a_csv_file_holds_every_text(pairs: list[tuple[str, str]]) -> None:
    records = [{"instruction": one, "output": two} for one, two in pairs]
    rows = read_csv(records)
    assert [(plain_text(row["instruction"]), plain_text(row["output"])) for row in rows] == pairs


def test_csv_quotes_every_cell_and_names_columns_in_our_order() -> None:
    records: list[dict[str, Any]] = [
        {"output": "Ja", "instruction": "Wer?", "note": 3},
        {"instruction": "Q", "output": "A", "input": "=cmd|' /C calc'!A0", "history": [["a", "b"]]},
    ]
    columns = csv_columns(find_shape(records, are_chats=False))
    content = b"".join(csv_pieces(records, columns)).decode("utf-8-sig")
    lines = content.split("\r\n")
    assert lines[0] == '"instruction","input","output","note","history"'
    assert lines[1] == '"Wer?","","Ja","3",""'
    assert lines[2].startswith('"Q","\'=cmd|')
    assert lines[2].endswith('"[[""a"", ""b""]]"')


def test_a_chat_is_one_column_of_json() -> None:
    chat = {"messages": [{"role": "user", "content": "開いて？"}], "source": "x"}
    assert read_csv([chat], are_chats=True) == [
        {"messages": '[{"role": "user", "content": "開いて？"}]'}
    ]


def test_a_large_csv_file_comes_in_pieces() -> None:
    records = [{"text": "x" * 1000} for _ in range(500)]
    pieces = list(csv_pieces(records, ["text"]))
    assert len(pieces) > 5
    assert max(map(len, pieces)) < 80_000


def test_parquet_has_groups_of_a_thousand_rows() -> None:
    file = read_parquet([{"text": f"row {number}"} for number in range(2500)])
    assert [file.metadata.row_group(number).num_rows for number in range(3)] == [1000, 1000, 500]
    assert file.read().to_pylist()[2499] == {"text": "row 2499"}


def test_parquet_keeps_chats_as_lists_of_turns() -> None:
    chats = [
        {"messages": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]},
        {"messages": [{"role": "assistant", "content": "B", "weight": 0}]},
    ]
    assert read_parquet(chats, are_chats=True).read().to_pylist() == [
        {
            "messages": [
                {"role": "user", "content": "Q", "weight": None},
                {"role": "assistant", "content": "A", "weight": None},
            ]
        },
        {"messages": [{"role": "assistant", "content": "B", "weight": 0}]},
    ]


def test_parquet_keeps_kinds_and_writes_mixed_fields_as_json() -> None:
    records: list[dict[str, Any]] = [
        {"text": "a", "whole": 1, "part": 1, "flag": True, "mixed": 1, "history": [["q", "a"]]},
        {"text": "b", "whole": None, "part": 0.5, "flag": False, "mixed": {"x": [1]}},
    ]
    first, second = read_parquet(records).read().to_pylist()
    assert first == {
        "text": "a",
        "whole": 1,
        "part": 1.0,
        "flag": True,
        "mixed": "1",
        "history": [["q", "a"]],
    }
    assert (second["mixed"], second["history"], second["whole"]) == ('{"x": [1]}', None, None)


def test_numbers_beyond_64_bits_are_json() -> None:
    assert read_parquet([{"text": "a", "big": 2**70}]).read().to_pylist() == [
        {"text": "a", "big": str(2**70)}
    ]


def test_too_many_fields_are_no_table() -> None:
    records = [{"text": "a", f"field {number}": 1} for number in range(MAX_COLUMNS)]
    with pytest.raises(ConflictError, match="JSONL"):
        find_shape(records, are_chats=False)
