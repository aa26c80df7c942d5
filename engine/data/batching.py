"""The order in which examples are seen, and how a batch becomes tensors.

A batch is what one optimizer step learns from; how it is cut into micro-batches decides only memory and how soon a chat
gets its turn, never the gradient (training.loss divides by the labels of the whole batch).
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

IGNORED = -100
"""Label of a position without loss, as torch's cross-entropy and transformers mark it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One tokenised example."""

    input_ids: Sequence[int]
    is_label: Sequence[bool]

    @property
    def label_count(self) -> int:
        """Positions with loss; the first token is predicted by nothing."""
        return sum(self.is_label[1:])


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """Padded tensors of one forward pass.

    Attributes:
        input_ids: (rows, length), int64, padded at the right.
        attention_mask: (rows, length), int64, 1 at tokens and 0 at padding.
        labels: (rows, length), int64: the token to predict *at* a position, so already shifted by one; IGNORED
            elsewhere.
        token_count: tokens without padding.
        label_count: positions that are not IGNORED.
    """

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    labels: torch.Tensor
    token_count: int
    label_count: int


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


def micro_batches(rows: Sequence[Row], max_tokens: int) -> list[MicroBatch]:
    """Cut a batch into padded micro-batches of at most `max_tokens` positions, rows of like length together.

    A row longer than `max_tokens` is a micro-batch of its own.
    """
    groups: list[list[Row]] = []
    for row in sorted(rows, key=lambda row: len(row.input_ids), reverse=True):
        width = len(groups[-1][0].input_ids) if groups else 0
        if groups and width * (len(groups[-1]) + 1) <= max_tokens:
            groups[-1].append(row)
        else:
            groups.append([row])
    return [collate(group) for group in groups]


def collate(rows: Sequence[Row]) -> MicroBatch:
    """Pad rows at the right to the longest and shift the labels."""
    length = max(len(row.input_ids) for row in rows)
    input_ids = torch.zeros(len(rows), length, dtype=torch.int64)
    attention_mask = torch.zeros(len(rows), length, dtype=torch.int64)
    labels = torch.full((len(rows), length), IGNORED, dtype=torch.int64)
    for index, row in enumerate(rows):
        count = len(row.input_ids)
        ids = torch.tensor(row.input_ids, dtype=torch.int64)
        input_ids[index, :count] = ids
        attention_mask[index, :count] = 1
        is_label = torch.tensor(row.is_label, dtype=torch.bool)
        labels[index, : count - 1] = ids[1:].masked_fill(~is_label[1:], IGNORED)
    return MicroBatch(
        input_ids,
        attention_mask,
        labels,
        token_count=int(attention_mask.sum()),
        label_count=int((labels != IGNORED).sum()),
    )
