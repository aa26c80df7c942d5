from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.config import TrainingHyperparameters
from engine.data.batching import Row, collate, epoch_batches, epoch_order, micro_batches
from engine.data.dataset import TrainingData, tokenize_file
from engine.errors import DatasetError
from engine.models.loading import ResidentModel
from engine.tests.factories import make_instructions, write_records


def read(
    path: str, resident: ResidentModel, kind: str = "instruction", **training: object
) -> TrainingData:
    settings = TrainingHyperparameters.from_mapping({"max_length": 64} | training)
    *_, data = tokenize_file(path, kind, resident.chat_format, settings)  # type: ignore[arg-type]
    assert data is not None
    return data


def test_long_examples_are_cut_at_the_end_and_unlearnable_ones_dropped(
    resident: ResidentModel, tmp_path: Path
) -> None:
    records = [
        {"instruction": "a", "output": "short"},
        {"instruction": "a", "output": "long " * 20},
        {"instruction": "question " * 20, "output": "lost"},
    ]
    path, _ = write_records(tmp_path / "data.jsonl", records)
    data = read(path, resident)
    assert (len(data.train), data.truncated_count, data.dropped_count) == (2, 2, 1)
    assert max(map(len, data.train["input_ids"])) == 64
    assert data.token_count == sum(map(len, data.train["input_ids"]))
    assert data.label_token_count == len("short") + 1 + sum(data.train["is_label"][1])


def test_nothing_left_to_learn_is_told(resident: ResidentModel, tmp_path: Path) -> None:
    path, _ = write_records(
        tmp_path / "data.jsonl", [{"instruction": "question " * 20, "output": "lost"}]
    )
    with pytest.raises(DatasetError) as failure:
        read(path, resident)
    assert failure.value.params == {
        "reason": "nothing_to_learn",
        "example_count": 1,
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
        assert len(read(path, resident, kind).train) == len(records)


def test_the_held_out_split_follows_the_seed(resident: ResidentModel, tmp_path: Path) -> None:
    path, _ = write_records(tmp_path / "data.jsonl", make_instructions(20))
    splits = [read(path, resident, eval_fraction=0.25, seed=seed) for seed in (0, 0, 1)]
    held_out = [split.held_out["input_ids"][:] for split in splits if split.held_out]
    assert len(splits[0].train) == 15
    assert len(held_out[0]) == 5
    assert held_out[0] == held_out[1] != held_out[2]
    assert not any(ids in splits[0].train["input_ids"][:] for ids in held_out[0])


def test_one_example_is_never_held_out(resident: ResidentModel, tmp_path: Path) -> None:
    path, _ = write_records(tmp_path / "data.jsonl", make_instructions(1))
    data = read(path, resident, eval_fraction=0.5)
    assert (len(data.train), data.held_out) == (1, None)


def test_slices_are_joined_in_order(resident: ResidentModel, tmp_path: Path) -> None:
    path, _ = write_records(tmp_path / "data.jsonl", [{"text": f"n{i}"} for i in range(150)])
    rows = read(path, resident, "completion").train["input_ids"]
    assert resident.tokenizer.decode(rows[149][:-1]) == "n149"


def test_every_epoch_sees_every_example_once_in_an_order_of_its_own() -> None:
    batches = list(epoch_batches(10, 4, seed=0, epoch=0))
    assert [len(batch) for batch in batches] == [4, 4, 2]
    assert sorted(sum(batches, [])) == list(range(10))
    orders = {tuple(epoch_order(10, seed=seed, epoch=epoch)) for seed in (0, 1) for epoch in (0, 1)}
    assert len(orders) == 4
    assert epoch_order(10, seed=0, epoch=1) == epoch_order(10, seed=0, epoch=1)


def test_micro_batches_keep_the_token_budget_and_every_row() -> None:
    rows = [Row([7] * length, [True] * length) for length in (3, 90, 40, 10, 12, 300)]
    batches = micro_batches(rows, 100)
    assert sum(batch.token_count for batch in batches) == 455
    assert [tuple(batch.input_ids.shape) for batch in batches] == [
        (1, 300), (1, 90), (2, 40), (2, 10),
    ]  # fmt: skip


def test_labels_are_shifted_and_padding_carries_none() -> None:
    batch = collate([Row([5, 6, 7], [False, True, True]), Row([8, 9], [True, True])])
    assert batch.input_ids.tolist() == [[5, 6, 7], [8, 9, 0]]
    assert batch.attention_mask.tolist() == [[1, 1, 1], [1, 1, 0]]
    assert batch.labels.tolist() == [[6, 7, -100], [9, -100, -100]]
    assert (batch.token_count, batch.label_count) == (5, 3)
