"""One stack of adapters: matrices of one kind, side by side in places from zero without a gap.

It is the only home of its adapters. Those of the rows that decode stand first, so that a step reads a plain view of
them; behind them stand those that nobody uses now. Two change places when one of them joins or leaves a row.
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
from engine.models.pages import mapped

_CHUNK_BYTES = {"cpu": 512 * 1024**2, "cuda": 256 * 1024**2, "mps": 256 * 1024**2}
"""By which a stack grows; on a CPU that takes half a second, and memory that nothing was written to costs nothing."""


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

    Attributes:
        members: those in rows first.
    """

    def __init__(
        self,
        kind: StackKind,
        shapes: Sequence[ProjectionShape],
        layer_count: int,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self.kind = kind
        self.members: list[AdapterWeights] = []
        self._in_rows = 0
        self._factors: list[list[Factors]] | None = None
        self._shapes, self._device, self._dtype = shapes, device, dtype
        self._chunk = max(
            1, _CHUNK_BYTES[device.type] // _bytes_each(kind, shapes, layer_count, dtype)
        )
        self._capacity = self._chunk
        self._blocks = [
            [self._empty(shape, self._capacity) for shape in shapes] for _ in range(layer_count)
        ]

    @property
    def in_rows(self) -> Sequence[AdapterWeights]:
        """The members that rows use, in the order of their places."""
        return self.members[: self._in_rows]

    def hold(self, adapter: AdapterWeights) -> None:
        """Take an adapter in; its weights become views of the stack."""
        if len(self.members) == self._capacity:
            self._resize(self._capacity + self._chunk)
        self._fill(adapter, len(self.members))
        self.members.append(adapter)

    def drop(self, adapter: AdapterWeights) -> None:
        """Forget an adapter that no row uses, with its weights."""
        place = self.members.index(adapter)
        last = self.members.pop()
        if last is not adapter:
            self._fill(last, place)
            self.members[place] = last
        adapter.blocks = []
        if len(self.members) <= self._capacity - 2 * self._chunk:
            self._resize(self._capacity - self._chunk)

    def join(self, adapter: AdapterWeights) -> None:
        """Stand an adapter among those in rows."""
        self._swap(self.members.index(adapter), self._in_rows)
        self._in_rows += 1
        self._factors = None

    def leave(self, adapter: AdapterWeights) -> None:
        """Stand an adapter behind those in rows."""
        self._in_rows -= 1
        self._swap(self.members.index(adapter), self._in_rows)
        self._factors = None

    @property
    def factors(self) -> list[list[Factors]]:
        """Of the members in rows, by block and projection."""
        if self._factors is None:
            self._factors = [
                [_factors(whole, self._in_rows) for whole in block] for block in self._blocks
            ]
        return self._factors

    def _fill(self, adapter: AdapterWeights, place: int) -> None:
        for own, block in zip(adapter.blocks, self._blocks, strict=True):
            for index, whole in enumerate(block):
                target = _view(whole, place)
                for old, new in zip(own[index].tensors, target.tensors, strict=True):
                    new.copy_(old)
                own[index] = target

    def _swap(self, one: int, other: int) -> None:
        if one == other:
            return
        for block in self._blocks:
            for whole in block:
                for tensor in whole.tensors:
                    kept = tensor[one].clone()
                    tensor[one] = tensor[other]
                    tensor[other] = kept
        members = self.members
        members[one], members[other] = members[other], members[one]
        # The views stay where they are; it is the adapters that change them.
        members[one].blocks, members[other].blocks = members[other].blocks, members[one].blocks

    def _resize(self, capacity: int) -> None:
        """Block by block, and nothing may hold on to the old one, so that never two stacks are in memory."""
        self._factors = None
        count = len(self.members)
        for layer, block in enumerate(self._blocks):
            for index, shape in enumerate(self._shapes):
                resized = self._empty(shape, capacity)
                for old, new in zip(block[index].tensors, resized.tensors, strict=True):
                    new[:count] = old[:count]
                block[index] = resized
            for place, member in enumerate(self.members):
                member.blocks[layer] = [_view(whole, place) for whole in block]
        self._capacity = capacity

    def _empty(self, shape: ProjectionShape, capacity: int) -> ProjectionWeights:
        def make(*sizes: int) -> torch.Tensor:
            return mapped((capacity, *sizes), self._device, self._dtype)

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


def _bytes_each(
    kind: StackKind, shapes: Sequence[ProjectionShape], layer_count: int, dtype: torch.dtype
) -> int:
    values = sum(
        kind.rank * (len(shape.names) * shape.input_size + shape.output_size) for shape in shapes
    )
    return values * layer_count * dtype.itemsize
