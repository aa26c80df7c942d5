"""The order in which examples are seen, and how a batch becomes packed tensors.

A batch is what one optimizer step learns from; how it is cut into micro-batches decides only memory and speed, never
the gradient (training.passes divides by the labels of the whole batch).

A micro-batch holds no padding. Tokens that all of its examples begin with, such as the frame of the chat template and a
system prompt, stand in it once, before the rest of each example.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch


@dataclass(frozen=True, slots=True)
class Row:
    """One tokenised example; is_label tells for each token whether it is learned (bytes of 0 and 1 do)."""

    input_ids: Sequence[int]
    is_label: Sequence[bool] | bytes

    @property
    def label_count(self) -> int:
        """Positions with loss; the first token is predicted by nothing."""
        return sum(self.is_label[1:])

    @property
    def needed_length(self) -> int:
        """Tokens up to the last that predicts a label: what follows moves no loss."""
        return max((index for index, label in enumerate(self.is_label) if label), default=0)

    @property
    def first_label_position(self) -> int:
        """The first position that predicts a label."""
        return next(
            (index for index, label in enumerate(self.is_label[1:]) if label), len(self.is_label)
        )


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """Examples one after another in one row of tokens.

    Attributes:
        input_ids: (tokens,), int64: the shared prefix once, then the rest of every example.
        positions: (tokens,), int64: place of each token in its own example.
        prefix_length: tokens of the shared prefix.
        row_lengths: tokens of each example's rest.
        label_positions: (labels,), int64: where in `input_ids` a prediction carries loss.
        labels: (labels,), int64: the tokens to predict there.
        token_count: tokens of the examples as the dataset has them.
    """

    input_ids: torch.Tensor
    positions: torch.Tensor
    prefix_length: int
    row_lengths: tuple[int, ...]
    label_positions: torch.Tensor
    labels: torch.Tensor
    token_count: int

    @property
    def label_count(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device) -> MicroBatch:
        """The same micro-batch on a device."""
        return replace(
            self,
            input_ids=self.input_ids.to(device),
            positions=self.positions.to(device),
            label_positions=self.label_positions.to(device),
            labels=self.labels.to(device),
        )


def epoch_order(example_count: int, *, seed: int, epoch: int) -> list[int]:
    """The order of the examples in one epoch; the same seed and epoch give the same order everywhere."""
    order = list(range(example_count))
    random.Random(f"{seed}/{epoch}").shuffle(order)
    return order


def epoch_batches(
    example_count: int, batch_size: int, *, seed: int, epoch: int
) -> Iterator[list[int]]:
    """Indices of each batch of an epoch; the last one may be smaller."""
    order = epoch_order(example_count, seed=seed, epoch=epoch)
    for start in range(0, example_count, batch_size):
        yield order[start : start + batch_size]


def micro_batches(
    rows: Sequence[Row], max_tokens: int, *, share_prefix: bool = True
) -> list[MicroBatch]:
    """Cut a batch into micro-batches of at most `max_tokens` tokens, examples of like length together.

    An example longer than `max_tokens` is a micro-batch of its own.

    Args:
        share_prefix: whether tokens that all examples begin with are computed once; dropout then draws one mask for
            them.
    """
    prefix_length = shared_prefix_length(rows) if share_prefix else 0
    groups: list[list[Row]] = []
    room = 0
    for row in sorted(rows, key=lambda row: row.needed_length, reverse=True):
        length = row.needed_length - prefix_length
        if not groups or length > room:
            groups.append([])
            room = max_tokens - prefix_length
        groups[-1].append(row)
        room -= length
    return [pack(group, prefix_length if len(group) > 1 else 0) for group in groups]


def shared_prefix_length(rows: Sequence[Row]) -> int:
    """Tokens that all rows begin with and that predict no label; every row keeps at least one token of its own."""
    if len(rows) < 2:
        return 0
    limit = min(min(row.first_label_position, row.needed_length - 1) for row in rows)
    first = rows[0].input_ids
    length = 0
    while length < limit and all(row.input_ids[length] == first[length] for row in rows):
        length += 1
    return max(0, length)


def pack(rows: Sequence[Row], prefix_length: int = 0) -> MicroBatch:
    """Lay rows one after another behind their shared prefix, each up to the last token that predicts a label."""
    input_ids = list(rows[0].input_ids[:prefix_length])
    positions = list(range(prefix_length))
    label_positions: list[int] = []
    labels: list[int] = []
    row_lengths = []
    for row in rows:
        length = row.needed_length
        offset = len(input_ids) - prefix_length
        input_ids += row.input_ids[prefix_length:length]
        positions += range(prefix_length, length)
        for index in range(prefix_length, length):
            if row.is_label[index + 1]:
                label_positions.append(offset + index)
                labels.append(row.input_ids[index + 1])
        row_lengths.append(length - prefix_length)
    return MicroBatch(
        torch.tensor(input_ids),
        torch.tensor(positions),
        prefix_length,
        tuple(row_lengths),
        torch.tensor(label_positions),
        torch.tensor(labels),
        token_count=sum(len(row.input_ids) for row in rows),
    )
