"""Distinct adapters over the rows of one batch: their matrices stand in stacks, one product for all rows of a stack.

A stack holds adapters of one kind (rank, DoRA, biases), so a step has one product for each kind and not for each
adapter (Punica, arXiv 2310.18547, and S-LoRA, arXiv 2311.03285, batch the same way on GPUs).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import torch

from engine.inference.adapter_stack import AdapterStack, Factors
from engine.inference.adapter_weights import AdapterWeights, ProjectionShape, StackKind


@dataclass(frozen=True, slots=True)
class StackRows:
    """The rows of a batch that a stack applies to, in the order of its members.

    Attributes:
        stack: whose adapters they have.
        grid: (members x widest,), rows of this part laid out member by member; None when each member has one row.
        places: (rows,), where in the grid each row is.
        member: (rows,), whose row it is.
    """

    stack: AdapterStack
    rows: slice
    grid: torch.Tensor | None = None
    places: torch.Tensor | None = None
    member: torch.Tensor | None = None


class AdapterStacks:
    """The adapters of a room: those of the rows that decode, and those that are kept for later."""

    def __init__(
        self,
        shapes: Sequence[ProjectionShape],
        layer_count: int,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self._shapes, self._layer_count = shapes, layer_count
        self._device, self._dtype = device, dtype
        self._stacks: dict[StackKind, AdapterStack] = {}
        self._users: dict[Hashable, AdapterWeights | None] = {}
        self._parts: list[StackRows] = []

    def hold(self, adapter: AdapterWeights) -> None:
        """Take an adapter in; from now on its weights are held here alone."""
        stack = self._stacks.get(adapter.kind)
        if stack is None:
            stack = self._stacks[adapter.kind] = AdapterStack(
                adapter.kind, self._shapes, self._layer_count, self._device, self._dtype
            )
        stack.hold(adapter)

    def drop(self, adapter: AdapterWeights) -> None:
        """Forget an adapter that no row uses."""
        stack = self._stacks[adapter.kind]
        stack.drop(adapter)
        if not stack.members:
            del self._stacks[adapter.kind]

    def join(self, user: Hashable, adapter: AdapterWeights | None) -> None:
        """Count a row in; None is the untouched base model. Users of one adapter share its place."""
        if adapter is not None and adapter not in self._adapters():
            self._stacks[adapter.kind].join(adapter)
        self._users[user] = adapter

    def leave(self, user: Hashable) -> None:
        adapter = self._users.pop(user, None)
        if adapter is not None and adapter not in self._adapters():
            self._stacks[adapter.kind].leave(adapter)

    def arrange(self) -> list[Hashable]:
        """The users in the order in which their rows must stand in the batch; call it after each change."""
        order: list[Hashable] = []
        self._parts = []
        for kind in sorted(self._stacks):
            stack = self._stacks[kind]
            users = [
                [user for user, adapter in self._users.items() if adapter is member]
                for member in stack.in_rows
            ]
            if not users:
                continue
            start = len(order)
            order += [user for group in users for user in group]
            self._parts.append(self._rows(stack, slice(start, len(order)), users))
        return order + [user for user, adapter in self._users.items() if adapter is None]

    def __call__(
        self, layer: int, projection: int, inputs: torch.Tensor, outputs: torch.Tensor
    ) -> None:
        """Change the outputs of a frozen projection, in place (engine.inference.blocks.Adapt)."""
        shape, count = self._shapes[projection], len(inputs)
        for part in self._parts:
            factors, rows = part.stack.factors[layer][projection], part.rows
            if rows.stop - rows.start == count:
                _apply(shape, part, factors, inputs, outputs)
            else:
                _apply(shape, part, factors, inputs[rows], outputs[rows])

    def _adapters(self) -> set[AdapterWeights]:
        return {adapter for adapter in self._users.values() if adapter is not None}

    def _rows(
        self, stack: AdapterStack, rows: slice, users: Sequence[Sequence[Hashable]]
    ) -> StackRows:
        widest = max(map(len, users))
        if widest == 1:
            return StackRows(stack, rows)
        grid: list[int] = []
        places: list[int] = []
        member: list[int] = []
        for index, group in enumerate(users):
            start = len(places)
            places += [index * widest + column for column in range(len(group))]
            member += [index] * len(group)
            # A place without a row repeats one: any number will do, nobody reads its result.
            grid += [start + min(column, len(group) - 1) for column in range(widest)]
        tensors = (torch.tensor(part, device=self._device) for part in (grid, places, member))
        return StackRows(stack, rows, *tensors)


def _apply(
    shape: ProjectionShape,
    part: StackRows,
    factors: Factors,
    inputs: torch.Tensor,
    outputs: torch.Tensor,
) -> None:
    """y = g (x W' + s x A' B') + d, for every row its own A, B, gain g and bias d."""
    count, rank = len(factors.a), part.stack.kind.rank
    rows = inputs if part.grid is None else inputs.index_select(0, part.grid)
    inner = torch.bmm(rows.view(count, -1, shape.input_size), factors.a)
    is_whole = len(shape.groups) == 1
    for group, b in zip(shape.groups, factors.b, strict=True):
        seen, target = inner, outputs
        if not is_whole:
            seen = inner.narrow(2, group.first * rank, group.count * rank)
            target = outputs[:, group.outputs]
        if group.count > 1:
            seen = seen.unflatten(2, (group.count, rank)).transpose(1, 2).flatten(0, 1)
        if part.grid is None and group.count == 1:
            target.unsqueeze(1).baddbmm_(seen, b)
        elif part.grid is None and target.is_contiguous():
            target.view(len(b), 1, -1).baddbmm_(seen, b)
        else:
            change = torch.bmm(seen, b).unflatten(0, (count, group.count))
            change = change.transpose(1, 2).flatten(0, 1).flatten(1)
            if part.places is not None:
                change = change.index_select(0, part.places)
            target.add_(change)
    for extra, change_by in ((factors.gain, outputs.mul_), (factors.bias, outputs.add_)):
        if extra is not None:
            change_by(extra if part.member is None else extra.index_select(0, part.member))


def apply_one(
    adapter: AdapterWeights,
    shape: ProjectionShape,
    layer: int,
    projection: int,
    inputs: torch.Tensor,
    outputs: torch.Tensor,
) -> None:
    """The same for rows that all have this adapter."""
    weights, rank = adapter.blocks[layer][projection], adapter.kind.rank
    inner = inputs @ weights.a.t()
    for group, b in zip(shape.groups, weights.b, strict=True):
        for place in range(group.count):
            index = group.first + place
            seen = inner[:, index * rank : (index + 1) * rank]
            outputs[:, shape.outputs[index]].addmm_(seen, b[place])
    if weights.gain is not None:
        outputs.mul_(weights.gain)
    if weights.bias is not None:
        outputs.add_(weights.bias)
