"""Whatever the bytes are, reading them ends in records or in a sentence; what was read comes back unchanged."""

from __future__ import annotations

import csv
import gzip
import io
import json
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from datasets_app.intake.limits import Limits
from datasets_app.intake.outcome import Outcome
from datasets_app.intake.pipeline import Order, read_file, read_records
from datasets_app.intake.source import HEAD_BYTES
from datasets_app.tests.factories import CHAT, COMPLETION, INSTRUCTION, json_lines
from datasets_app.tests.hostile.parquet import parquet
from datasets_app.wording.faults import refusal

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=60)
filled = texts.filter(lambda text: bool(text.strip()))
plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
instructions = st.fixed_dictionaries(
    {"instruction": filled, "output": filled}, optional={"input": texts, "note": plain}
)
turns = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "user", "assistant"]), "content": filled}
)
chats = st.fixed_dictionaries(
    {
        "messages": st.lists(turns, max_size=4).map(
            lambda found: [*found, {"role": "assistant", "content": "ok"}]
        )
    }
)
completions = st.fixed_dictionaries({"prompt": filled, "completion": filled})
datasets = st.one_of(
    *(st.lists(shape, min_size=1, max_size=5) for shape in (instructions, chats, completions))
)

SEEDS = [
    json_lines(INSTRUCTION, CHAT),
    json.dumps([COMPLETION, INSTRUCTION], indent=1).encode(),
    json.dumps({"data": [CHAT]}).encode(),
    'instruction,output\n質問,"答え\n二行"\n'.encode("cp932"),
    "prompt,completion\na,b\n".encode("utf-16"),
]
PARQUET_SEEDS = [
    parquet({"instruction": ["Why?", "How?"] * 20, "output": ["Because.", "So."] * 20}),
    parquet({"messages": [CHAT["messages"]] * 3, "score": [0.5, None, 1.0]}, compression="none"),
]
LIMITS = Limits(unpacked_bytes=1_000_000, records=10_000)


def parse(content: bytes, file_name: str = "", budget_bytes: int | None = None) -> list | None:
    """The records, or None where they are refused with a sentence and its faults."""
    sink = io.BytesIO()
    limits = Limits(LIMITS.unpacked_bytes, LIMITS.records, budget_bytes)
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        outcome = read_file(Path(file.name), sink, Order(limits, file_name=file_name))
    json.dumps(outcome.as_dict())
    assert Outcome.from_dict(outcome.as_dict()) == outcome
    assert outcome.accepted == sink.getvalue().count(b"\n")
    if outcome.errors:
        error = refusal(outcome)
        assert error.faults
        assert str(error.message)
        return None
    assert outcome.is_partial or outcome.accepted
    return [json.loads(line) for line in sink.getvalue().decode().split("\n")[:-1]]


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400), st.sampled_from(["", "a.json", "a.jsonl", "a.csv"]))
def test_any_bytes_end_in_records_or_a_sentence(content: bytes, file_name: str) -> None:
    parse(content, file_name)


@settings(max_examples=250, deadline=None)
@given(st.data(), st.sampled_from(SEEDS))
def test_a_damaged_file_ends_in_records_or_a_sentence(data: st.DataObject, seed: bytes) -> None:
    parse(damaged(data, seed))


@settings(max_examples=150, deadline=None)
@given(st.data(), st.sampled_from(SEEDS))
def test_a_damaged_gzip_ends_in_records_or_a_sentence(data: st.DataObject, seed: bytes) -> None:
    parse(damaged(data, gzip.compress(seed, mtime=0)))
    parse(gzip.compress(damaged(data, seed), mtime=0))


@settings(max_examples=150, deadline=None)
@given(st.data(), st.sampled_from(PARQUET_SEEDS))
def test_a_damaged_parquet_ends_in_records_or_a_sentence(data: st.DataObject, seed: bytes) -> None:
    parse(damaged(data, seed))


def damaged(data: st.DataObject, seed: bytes) -> bytes:
    """The file with a few changes somewhere."""
    content = bytearray(seed)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        change = data.draw(st.sampled_from(["cut", "flip", "drop", "insert", "repeat"]))
        if change == "cut":
            content = content[: place + 1]
        elif change == "flip":
            content[place] = data.draw(st.integers(0, 255))
        elif change == "drop" and len(content) > 1:
            del content[place]
        elif change == "insert":
            content[place:place] = data.draw(
                st.sampled_from([b'"', b"\\", b"[", b"}", b",", b"\n", b"\x00", b"\xef\xbb\xbf"])
            )
        else:
            content += content[place:]
    return bytes(content)


cells = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r\ufeff"), max_size=30
).filter(lambda text: bool(text.strip()))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(cells, cells), min_size=1, max_size=6),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_csv_of_any_delimiter_and_quoting_comes_back_unchanged(
    rows: list[tuple[str, str]], delimiter: str, quoting: int, line_end: str, packs: bool
) -> None:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter=delimiter, quoting=quoting, lineterminator=line_end)
    writer.writerow(("prompt", "completion"))
    writer.writerows(rows)
    content = buffer.getvalue().encode()
    wanted = [{"prompt": prompt, "completion": completion} for prompt, completion in rows]
    assert parse(gzip.compress(content) if packs else content, "data.csv") == wanted


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from([",", ";", "\t", "|", '"', '""', "\n", "a", "日", " "]), max_size=60),
    st.sampled_from(["prompt,completion\n", "text\n", "質問\t回答\n", ""]),
)
def test_any_delimiters_and_quotes_end_in_records_or_a_sentence(
    pieces: list[str], header: str
) -> None:
    parse((header + "".join(pieces)).encode(), "data.csv")


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200))
def test_any_text_ends_in_records_or_a_sentence(text: str) -> None:
    parse(text.encode("utf-8", errors="surrogatepass"))


MANY = [
    INSTRUCTION | {"output": f'Class {number} waters it,\nall of "them".'} for number in range(1500)
]
LONG_FILES = [
    json_lines(*MANY),
    json.dumps(MANY, indent=2).encode(),
    json.dumps({"version": 1, "data": MANY}).encode(),
    b"instruction,output\n" + b'"Who waters it, really?","Class ""2B""\nwaters it."\n' * 4000,
    gzip.compress(json_lines(*MANY)),
]


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(LONG_FILES), st.integers(HEAD_BYTES, 220_000))
def test_a_file_that_is_read_to_a_budget_has_no_fault_that_the_whole_has_not(
    content: bytes, budget_bytes: int
) -> None:
    found = parse(content, budget_bytes=budget_bytes)
    assert found is not None
    assert found == (parse(content) or [])[: len(found)]


@settings(max_examples=150, deadline=None)
@given(datasets)
def test_accepted_records_come_back_unchanged_from_every_format(records: list) -> None:
    assert parse(json_lines(*records)) == records
    assert parse(json.dumps(records, indent=2).encode()) == records
    assert parse(json.dumps({"data": records}, ensure_ascii=False).encode()) == records
    assert parse(gzip.compress(json_lines(*records))) == records
    sink = io.BytesIO()
    assert read_records(records, sink, Order(LIMITS)).is_clean
    assert [json.loads(line) for line in sink.getvalue().decode().split("\n")[:-1]] == records
