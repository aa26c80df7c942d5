"""A JSONL file as tokenised examples: read, tokenise, fit to the length, hold out.

An example that is too long is shortened or left out, as the job asks (engine.data.truncation); both are counted.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets

from engine.config import TrainingHyperparameters, held_out_count
from engine.data.batching import Row
from engine.data.chat_template import ChatFormat
from engine.data.records import DATASET_TYPES, DatasetType, Example, RecordError, read_example
from engine.data.truncation import Fitted, keep_answer
from engine.errors import DatasetError

datasets.disable_progress_bars()

SLICE_EXAMPLES = 64
"""Examples tokenised at a time: between two slices chats get their turn and a cancel is heard."""

_FEATURES = datasets.Features(
    {
        "input_ids": datasets.List(datasets.Value("int32")),
        "is_label": datasets.List(datasets.Value("bool")),
        "is_cut": datasets.Value("bool"),
        "is_answer_cut": datasets.Value("bool"),
    }
)


@dataclass(frozen=True, slots=True)
class TokenizedFile:
    """The examples of a file that can be learned from or measured.

    Attributes:
        rows: input_ids (int32) and is_label (bool) of each.
        truncated_count: examples that were shortened and still hold their whole answer.
        cut_answer_count: examples whose answer lost its end.
        dropped_count: examples left out, because they are too long or nothing to learn is left of them.
    """

    rows: datasets.Dataset
    truncated_count: int
    cut_answer_count: int
    dropped_count: int

    @property
    def token_count(self) -> int:
        return sum(map(len, self.rows["input_ids"]))

    @property
    def label_token_count(self) -> int:
        return sum(map(sum, self.rows["is_label"]))


def tokenize_file(
    path: Path | str,
    dataset_type: DatasetType,
    chat_format: ChatFormat,
    training: TrainingHyperparameters,
) -> Iterator[TokenizedFile | None]:
    """Read and tokenise a dataset in slices: yields None between them and the whole at the end.

    Args:
        path: JSONL of records.
        dataset_type: shape of all its records.
        training: its max_length and overlong count.

    Raises:
        DatasetError: the file is unreadable, a line is no record, or nothing is left to learn from.
    """
    if dataset_type not in DATASET_TYPES:
        raise DatasetError(f"dataset type {dataset_type}", reason="bad_type")
    lines = datasets.Dataset.from_list(
        [{"number": number, "text": text} for number, text in numbered_lines(path)]
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
    yield _usable(datasets.concatenate_datasets(slices), training)


def numbered_lines(path: Path | str) -> Iterator[tuple[int, str]]:
    """The lines of a file that are not blank, with their numbers from 1.

    Raises:
        DatasetError: the file is unreadable.
    """
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
    fitted: Fitted = keep_answer(tokens.input_ids, tokens.is_label, max_length)
    return {
        "input_ids": fitted.input_ids,
        "is_label": fitted.is_label,
        "is_cut": fitted.is_cut,
        "is_answer_cut": fitted.is_answer_cut,
    }


def _usable(rows: datasets.Dataset, training: TrainingHyperparameters) -> TokenizedFile:
    masks, is_cut, is_answer_cut = rows["is_label"], rows["is_cut"], rows["is_answer_cut"]
    drops_long = training.overlong == "drop"
    keep = [
        index
        for index, mask in enumerate(masks)
        # The first token has nothing before it that could predict it, so its label does not count.
        if any(mask[1:]) and not (drops_long and is_cut[index])
    ]
    if not keep:
        raise DatasetError(
            "no example has a learned token within max_length",
            reason="nothing_to_learn",
            example_count=len(rows),
            dropped_count=len(rows),
            max_length=training.max_length,
        )
    cut_answers = sum(is_answer_cut[index] for index in keep)
    return TokenizedFile(
        rows.select(keep).select_columns(["input_ids", "is_label"]),
        truncated_count=sum(is_cut[index] for index in keep) - cut_answers,
        cut_answer_count=cut_answers,
        dropped_count=len(rows) - len(keep),
    )


def split(rows: datasets.Dataset, training: TrainingHyperparameters) -> tuple[list[Row], list[Row]]:
    """Learned and held-out examples; the same seed and share give the same parts.

    Returns:
        Both parts in a fixed order; the second is empty when nothing is held out.
    """
    count = held_out_count(len(rows), training.eval_fraction)
    if not count:
        return as_rows(rows), []
    parts = rows.train_test_split(test_size=count, seed=training.seed)
    return as_rows(parts["train"]), as_rows(parts["test"])


def as_rows(rows: datasets.Dataset) -> list[Row]:
    """The examples as batches take them, five bytes a token."""
    return [
        Row(array("i", ids), bytes(mask))
        for ids, mask in zip(rows["input_ids"], rows["is_label"], strict=True)
    ]
