"""A JSONL file as tokenised examples: read, tokenise, truncate, drop, hold out.

Truncation policy: an example longer than max_length is cut at its end; when the cut leaves nothing to learn, the
example is dropped. Both are counted and told.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets

from engine.config import TrainingHyperparameters
from engine.data.chat_template import ChatFormat
from engine.data.records import DATASET_TYPES, DatasetType, Example, RecordError, read_example
from engine.errors import DatasetError

datasets.disable_progress_bars()

SLICE_EXAMPLES = 64
"""Examples tokenised at a time: between two slices chats get their turn and a cancel is heard."""

_FEATURES = datasets.Features(
    {
        "input_ids": datasets.List(datasets.Value("int32")),
        "is_label": datasets.List(datasets.Value("bool")),
        "is_truncated": datasets.Value("bool"),
    }
)


@dataclass(frozen=True, slots=True)
class TrainingData:
    """The tokenised examples of a job.

    Attributes:
        train: rows of input_ids (int32) and is_label (bool), learned from.
        held_out: rows of the same kind, only measured; empty when nothing is held out.
        truncated_count: examples of both parts that were cut.
        dropped_count: examples left out because the cut left nothing to learn.
    """

    train: datasets.Dataset
    held_out: datasets.Dataset | None
    truncated_count: int
    dropped_count: int

    @property
    def token_count(self) -> int:
        """Tokens of one epoch."""
        return sum(map(len, self.train["input_ids"]))

    @property
    def label_token_count(self) -> int:
        """Learned tokens of one epoch."""
        return sum(map(sum, self.train["is_label"]))


def tokenize_file(
    path: Path | str,
    dataset_type: DatasetType,
    chat_format: ChatFormat,
    training: TrainingHyperparameters,
) -> Iterator[TrainingData | None]:
    """Read and tokenise a dataset in slices: yields None between them and the whole at the end.

    Args:
        path: JSONL of records.
        dataset_type: shape of all its records.
        training: its max_length, eval_fraction and seed count.

    Raises:
        DatasetError: the file is unreadable, a line is no record, or nothing is left to learn from.
    """
    if dataset_type not in DATASET_TYPES:
        raise DatasetError(f"dataset type {dataset_type}", reason="bad_type")
    lines = datasets.Dataset.from_list(
        [{"number": number, "text": text} for number, text in _numbered_lines(path)]
    )
    slices = []
    for start in range(0, len(lines), SLICE_EXAMPLES):
        rows = lines.select(range(start, min(start + SLICE_EXAMPLES, len(lines))))
        slices.append(
            rows.map(
                lambda row: _tokenize_line(row, dataset_type, chat_format, training.max_length),
                remove_columns=["number", "text"],
                features=_FEATURES,
                # Without a name of ours the library pickles the tokenizer to make one.
                new_fingerprint=f"slice{start}",
            )
        )
        yield None
    if not slices:
        raise DatasetError("no examples", reason="empty", example_count=0)
    yield _split(datasets.concatenate_datasets(slices), training)


def _numbered_lines(path: Path | str) -> Iterator[tuple[int, str]]:
    try:
        with Path(path).open(encoding="utf-8") as stream:
            for number, line in enumerate(stream, start=1):
                if line.strip():
                    yield number, line
    except (OSError, UnicodeDecodeError) as failure:
        raise DatasetError(str(failure), reason="unreadable") from failure


def read_line(text: str, number: int, dataset_type: DatasetType) -> Example:
    """One line of the file as an Example.

    Raises:
        DatasetError: reason bad_line, with the line's number.
    """
    try:
        record = json.loads(text)
        if not isinstance(record, dict):
            raise DatasetError(f"line {number}", reason="bad_line", line=number)
        return read_example(record, dataset_type)
    except (ValueError, RecordError, RecursionError) as failure:
        raise DatasetError(f"line {number}: {failure}", reason="bad_line", line=number) from failure


def _tokenize_line(
    row: dict[str, Any], dataset_type: DatasetType, chat_format: ChatFormat, max_length: int
) -> dict[str, Any]:
    tokens = chat_format.tokenize(read_line(row["text"], row["number"], dataset_type))
    return {
        "input_ids": tokens.input_ids[:max_length],
        "is_label": tokens.is_label[:max_length],
        "is_truncated": len(tokens.input_ids) > max_length,
    }


def _split(rows: datasets.Dataset, training: TrainingHyperparameters) -> TrainingData:
    # The first token has nothing before it that could predict it, so its label does not count.
    keep = [index for index, mask in enumerate(rows["is_label"]) if any(mask[1:])]
    dropped_count = len(rows) - len(keep)
    truncated_count = sum(rows["is_truncated"])
    if not keep:
        raise DatasetError(
            "no example has a learned token within max_length",
            reason="nothing_to_learn",
            example_count=len(rows),
            max_length=training.max_length,
        )
    rows = rows.select(keep)
    held_out_count = round(len(rows) * training.eval_fraction)
    if training.eval_fraction > 0:
        held_out_count = min(max(1, held_out_count), len(rows) - 1)
    if held_out_count == 0:
        return TrainingData(rows, None, truncated_count, dropped_count)
    parts = rows.train_test_split(test_size=held_out_count, seed=training.seed)
    return TrainingData(parts["train"], parts["test"], truncated_count, dropped_count)
