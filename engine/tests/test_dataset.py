from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config import TrainingHyperparameters
from engine.data.batching import (
    Row,
    epoch_batches,
    epoch_order,
    micro_batches,
    pack,
    shared_prefix_length,
)
from engine.data.dataset import TokenizedFile, split, tokenize_file
from engine.data.token_cache import TokenCache
from engine.data.truncation import keep_answer, whole_answer_length
from engine.errors import DatasetError
from engine.models.loading import ResidentModel
from engine.tests.factories import make_instructions, write_records


def settings(**training: object) -> TrainingHyperparameters:
    return TrainingHyperparameters.from_mapping({"max_length": 64} | training)


def read(
    path: str, resident: ResidentModel, kind: str = "instruction", **training: object
) -> TokenizedFile:
    *_, data = tokenize_file(path, kind, resident.chat_format, settings(**training))  # type: ignore[arg-type]
    assert data is not None
    return data


LONG = [
    {"instruction": "a", "output": "short"},
    {"instruction": "a", "output": "long " * 20},
    {"instruction": "question " * 20, "output": "kept"},
]


def test_long_examples_keep_their_answer(resident: ResidentModel, tmp_path: Path) -> None:
    path, _ = write_records(tmp_path / "data.jsonl", LONG)
    data = read(path, resident)
    counts = (len(data.rows), data.truncated_count, data.cut_answer_count, data.dropped_count)
    assert counts == (3, 1, 1, 0)
    assert max(map(len, data.rows["input_ids"])) == 64
    assert data.token_count == sum(map(len, data.rows["input_ids"]))
    text = resident.tokenizer.decode(data.rows["input_ids"][2])
    assert text.startswith("<|im_start|>user\nquestion")
    assert "<|im_end|>\n<|im_start|>assistant\nkept<|im_end|>" in text
    assert sum(data.rows["is_label"][2]) == len("kept") + 1
    assert resident.tokenizer.decode(data.rows["input_ids"][1]).startswith("<|im_start|>user\na")


def test_long_examples_are_left_out_on_request(resident: ResidentModel, tmp_path: Path) -> None:
    path, _ = write_records(tmp_path / "data.jsonl", LONG)
    data = read(path, resident, overlong="drop")
    counts = (len(data.rows), data.truncated_count, data.cut_answer_count, data.dropped_count)
    assert counts == (1, 0, 0, 2)


@given(masks=st.lists(st.booleans(), min_size=1, max_size=200), max_length=st.integers(1, 220))
def test_shortening_keeps_the_order_and_loses_no_label_before_it_must(
    masks: list[bool], max_length: int
) -> None:
    ids = list(range(len(masks)))
    fitted = keep_answer(ids, masks, max_length)
    assert len(fitted.input_ids) == min(len(ids), max_length)
    assert fitted.input_ids == sorted(set(fitted.input_ids))
    assert fitted.is_label == [masks[index] for index in fitted.input_ids]
    assert [index for index, is_kept in enumerate(fitted.kept) if is_kept] == fitted.input_ids
    assert len(fitted.kept) == len(ids)
    assert fitted.is_cut == (len(ids) > max_length)
    lost = sum(masks) - sum(fitted.is_label)
    assert fitted.is_answer_cut == (lost > 0)
    if lost:
        # Nothing without label that could have been given up instead is left before the lost ones.
        runs = "".join("1" if label else "0" for label in fitted.is_label).split("1")
        assert all(len(run) <= 16 for run in runs[:-1])


@given(masks=st.lists(st.booleans(), min_size=1, max_size=200))
def test_the_length_of_a_whole_answer_is_the_least_that_cuts_none(masks: list[bool]) -> None:
    length = whole_answer_length(masks)
    if not any(masks[1:]):
        assert length == 0
        return
    ids = list(range(len(masks)))
    assert not keep_answer(ids, masks, length).is_answer_cut
    assert keep_answer(ids, masks, length - 1).is_answer_cut


def test_tokenised_data_is_kept_by_key_and_the_oldest_leaves() -> None:
    cache = TokenCache(capacity_tokens=10)
    cache.put("a", 1, 6)
    cache.put("b", 2, 4)
    assert cache.get("a") == 1
    cache.put("c", 3, 4)
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == (1, None, 3)
    cache.put("huge", 4, 100)
    assert (len(cache), cache.get("huge")) == (1, 4)


def test_nothing_left_to_learn_is_told(resident: ResidentModel, tmp_path: Path) -> None:
    path, _ = write_records(tmp_path / "data.jsonl", [LONG[2]])
    with pytest.raises(DatasetError) as failure:
        read(path, resident, overlong="drop")
    assert failure.value.params == {
        "reason": "nothing_to_learn",
        "example_count": 1,
        "dropped_count": 1,
        "max_length": 64,
    }


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"\xff\xfe", "unreadable"),
        (b"{", "bad_line"),
        (b"[1]", "bad_line"),
        (b'{"instruction": "a"}', "bad_line"),
        (b"[" * 5000, "bad_line"),
    ],
)
def test_unusable_files_are_told_with_the_reason(
    resident: ResidentModel, tmp_path: Path, content: bytes, reason: str
) -> None:
    path = tmp_path / "data.jsonl"
    path.write_bytes(content)
    with pytest.raises(DatasetError) as failure:
        read(str(path), resident)
    assert failure.value.params["reason"] == reason


def test_a_missing_file_is_told(resident: ResidentModel, tmp_path: Path) -> None:
    with pytest.raises(DatasetError):
        read(str(tmp_path / "none.jsonl"), resident)


def test_all_three_shapes_are_read(resident: ResidentModel, tmp_path: Path) -> None:
    chat = [{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}]
    completion = [{"prompt": "a", "completion": "b"}, {"text": "hello"}]
    shapes: dict[str, list[dict[str, Any]]] = {
        "chat": chat,
        "completion": completion,
        "instruction": make_instructions(1),
    }
    for kind, records in shapes.items():
        path, _ = write_records(tmp_path / f"{kind}.jsonl", records)
        assert len(read(path, resident, kind).rows) == len(records)


def test_the_held_out_split_follows_the_seed(resident: ResidentModel, tmp_path: Path) -> None:
    path, _ = write_records(tmp_path / "data.jsonl", make_instructions(20))
    rows = read(path, resident).rows
    splits = [split(rows, settings(eval_fraction=0.25, seed=seed)) for seed in (0, 0, 1)]
    (train, held_out), again, other = splits
    assert (len(train), len(held_out)) == (15, 5)
    assert held_out == again[1] != other[1]
    assert not any(row in train for row in held_out)


def test_one_example_is_never_held_out(resident: ResidentModel, tmp_path: Path) -> None:
    path, _ = write_records(tmp_path / "data.jsonl", make_instructions(1))
    train, held_out = split(read(path, resident).rows, settings(eval_fraction=0.5))
    assert (len(train), held_out) == (1, [])


def test_slices_are_joined_in_order(resident: ResidentModel, tmp_path: Path) -> None:
    path, _ = write_records(tmp_path / "data.jsonl", [{"text": f"n{i}"} for i in range(150)])
    rows = read(path, resident, "completion").rows["input_ids"]
    assert resident.tokenizer.decode(rows[149][:-1]) == "n149"


def test_every_epoch_sees_every_example_once_in_an_order_of_its_own() -> None:
    batches = list(epoch_batches(10, 4, seed=0, epoch=0))
    assert [len(batch) for batch in batches] == [4, 4, 2]
    assert sorted(sum(batches, [])) == list(range(10))
    orders = {tuple(epoch_order(10, seed=seed, epoch=epoch)) for seed in (0, 1) for epoch in (0, 1)}
    assert len(orders) == 4
    assert epoch_order(10, seed=0, epoch=1) == epoch_order(10, seed=0, epoch=1)


def test_micro_batches_keep_the_token_budget_and_every_row() -> None:
    rows = [Row([7] * length, [True] * length) for length in (3, 91, 41, 10, 12, 301)]
    batches = micro_batches(rows, 100)
    assert sum(batch.token_count for batch in batches) == sum(len(row.input_ids) for row in rows)
    # The last token of a row predicts nothing.
    assert [batch.row_lengths for batch in batches] == [(300,), (90,), (40, 11, 9, 2)]


def test_rows_lie_one_after_another_with_shifted_labels_and_no_padding() -> None:
    batch = pack([Row([5, 6, 7, 3], [False, True, True, False]), Row([8, 9], [True, True])])
    assert batch.input_ids.tolist() == [5, 6, 8]
    assert batch.positions.tolist() == [0, 1, 0]
    assert batch.label_positions.tolist() == [0, 1, 2]
    assert batch.labels.tolist() == [6, 7, 9]
    assert (batch.token_count, batch.label_count, batch.row_lengths) == (6, 3, (2, 1))


def test_a_shared_beginning_stands_once_and_holds_no_label() -> None:
    rows = [
        Row([1, 2, 3, 4, 5, 9], [False] * 4 + [True] * 2),
        Row([1, 2, 3, 7, 8], [False] * 4 + [True]),
    ]
    assert shared_prefix_length(rows) == 3
    (batch,) = micro_batches(rows, 100)
    assert batch.input_ids.tolist() == [1, 2, 3, 4, 5, 7]
    assert batch.positions.tolist() == [0, 1, 2, 3, 4, 3]
    assert batch.label_positions.tolist() == [3, 4, 5]
    assert batch.labels.tolist() == [5, 9, 8]
    (apart,) = micro_batches(rows, 100, share_prefix=False)
    assert (apart.prefix_length, len(apart.input_ids)) == (0, 9)


@given(st.data())
def test_every_label_is_predicted_from_its_own_example(data: st.DataObject) -> None:
    shared = data.draw(st.integers(0, 6))
    rows = []
    for _ in range(data.draw(st.integers(1, 5))):
        ids = [1] * shared + data.draw(st.lists(st.integers(2, 5), min_size=2, max_size=9))
        mask = data.draw(st.lists(st.booleans(), min_size=len(ids), max_size=len(ids)))
        rows.append(Row(ids, [*mask[:-1], True]))
    found = []
    for batch in micro_batches(rows, data.draw(st.integers(1, 40))):
        ids, positions = batch.input_ids.tolist(), batch.positions.tolist()
        starts = [batch.prefix_length]
        for length in batch.row_lengths:
            starts.append(starts[-1] + length)
        for place, label in zip(batch.label_positions.tolist(), batch.labels.tolist(), strict=True):
            start = max((s for s in starts[:-1] if s <= place), default=0)
            assert place >= batch.prefix_length
            context = [*ids[: batch.prefix_length], *ids[start : place + 1]]
            assert positions[place] == len(context) - 1
            found.append((tuple(context), label))
    wanted = [
        (tuple(row.input_ids[:index]), row.input_ids[index])
        for row in rows
        for index in range(1, len(row.input_ids))
        if row.is_label[index]
    ]
    assert sorted(found) == sorted(wanted)
