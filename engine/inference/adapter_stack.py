"""One stack of adapters: matrices of one kind, side by side in places from zero without a gap.

The places in use are a plain view. An adapter that joins is copied to the next place, one that leaves is replaced by
the last: nothing else moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from engine.inference.adapter_weights import (
    AdapterWeights,
    ProjectionShape,
    ProjectionWeights,
    StackKind,
)

_FIRST_BYTES = 256 * 1024 * 1024
"""Taken for a stack at first. On a CPU, memory that nothing was written to costs nothing."""


@dataclass(frozen=True, slots=True)
class Factors:
    """The matrices of a projection for all members, as products take them.

    Attributes:
        a: (members, inputs, layers x rank).
        b: for each group, (members x layers of the group, rank, outputs of a layer).
        gain, bias: (members, outputs).
    """

    a: torch.Tensor
    b: list[torch.Tensor]
    gain: torch.Tensor | None
    bias: torch.Tensor | None


class AdapterStack:
    """Adapters of one kind.

    Args:
        capacity: most adapters, reached by doubling.
    """

    def __init__(
        self,
        kind: StackKind,
        shapes: Sequence[ProjectionShape],
        layer_count: int,
        capacity: int,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self.kind = kind
        self.members: list[AdapterWeights] = []
        self._shapes, self._device, self._dtype = shapes, device, dtype
        self._most = capacity
        bytes_each = _bytes_each(kind, shapes, layer_count, dtype)
        self._capacity = min(capacity, max(1, _FIRST_BYTES // bytes_each))
        self._blocks = [
            [self._empty(shape, self._capacity) for shape in shapes] for _ in range(layer_count)
        ]

    def add(self, adapter: AdapterWeights) -> None:
        """Give an adapter the next place; its weights become views of the stack."""
        if len(self.members) == self._capacity:
            self._grow()
        self._place(adapter, len(self.members))
        self.members.append(adapter)

    def remove(self, adapter: AdapterWeights) -> None:
        """Take an adapter out, with its weights."""
        place = self.members.index(adapter)
        adapter.blocks = [[_copied(weights) for weights in block] for block in adapter.blocks]
        last = self.members.pop()
        if last is not adapter:
            self._place(last, place)
            self.members[place] = last

    def factors(self) -> list[list[Factors]]:
        """Of all members, by block and projection."""
        count = len(self.members)
        return [[_factors(whole, count) for whole in block] for block in self._blocks]

    def _place(self, adapter: AdapterWeights, place: int) -> None:
        for own, block in zip(adapter.blocks, self._blocks, strict=True):
            for index, whole in enumerate(block):
                target = _view(whole, place)
                for old, new in zip(own[index].tensors, target.tensors, strict=True):
                    new.copy_(old)
                own[index] = target

    def _grow(self) -> None:
        capacity = min(self._most, 2 * self._capacity)
        for block in self._blocks:
            for index, shape in enumerate(self._shapes):
                larger = self._empty(shape, capacity)
                for old, new in zip(block[index].tensors, larger.tensors, strict=True):
                    new[: self._capacity] = old
                block[index] = larger
        self._capacity = capacity
        for place, member in enumerate(self.members):
            member.blocks = [[_view(whole, place) for whole in block] for block in self._blocks]

    def _empty(self, shape: ProjectionShape, capacity: int) -> ProjectionWeights:
        def make(*sizes: int) -> torch.Tensor:
            return torch.empty(capacity, *sizes, device=self._device, dtype=self._dtype)

        rank = self.kind.rank
        return ProjectionWeights(
            make(len(shape.names) * rank, shape.input_size),
            [make(group.count, rank, group.output_size) for group in shape.groups],
            make(shape.output_size) if self.kind.has_gains else None,
            make(shape.output_size) if self.kind.has_biases else None,
        )


def _factors(whole: ProjectionWeights, count: int) -> Factors:
    return Factors(
        whole.a[:count].transpose(1, 2),
        [b[:count].flatten(0, 1) for b in whole.b],
        None if whole.gain is None else whole.gain[:count],
        None if whole.bias is None else whole.bias[:count],
    )


def _view(whole: ProjectionWeights, place: int) -> ProjectionWeights:
    return ProjectionWeights(
        whole.a[place],
        [b[place] for b in whole.b],
        None if whole.gain is None else whole.gain[place],
        None if whole.bias is None else whole.bias[place],
    )


def _copied(weights: ProjectionWeights) -> ProjectionWeights:
    return ProjectionWeights(
        weights.a.clone(),
        [b.clone() for b in weights.b],
        None if weights.gain is None else weights.gain.clone(),
        None if weights.bias is None else weights.bias.clone(),
    )


def _bytes_each(
    kind: StackKind, shapes: Sequence[ProjectionShape], layer_count: int, dtype: torch.dtype
) -> int:
    values = sum(
        kind.rank * (len(shape.names) * shape.input_size + shape.output_size) for shape in shapes
    )
    return values * layer_count * dtype.itemsize
