"""One pass over waiting prompts: stretches of several of them side by side, each with its own adapter.

The pass is bounded. The prompt that came first gets at least a quarter of it; the rest goes to the shortest remainders,
so that a short question does not wait behind a long text, and the long text is never stopped by short questions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from engine.inference.attending import ReadAttention
from engine.inference.blocks import ChatBlocks
from engine.inference.key_values import Layout
from engine.inference.seat import Seat
from engine.inference.stacks import apply_one

if TYPE_CHECKING:
    from engine.models.loading import ResidentModel


class ReadingPass:
    """Reads a part of the prompts.

    Args:
        seats: whose prompts are not read to the end, in order of arrival.
        tokens: most tokens of the pass.

    Attributes:
        seats: those that the pass reads something of.
    """

    def __init__(self, seats: Sequence[Seat], tokens: int, layout: Layout) -> None:
        self._stretches = shares(seats, tokens)
        self._layout = layout
        self.seats = [seat for seat, _ in self._stretches]

    def run(
        self, blocks: ChatBlocks, resident: ResidentModel
    ) -> tuple[list[Seat], list[torch.Tensor]]:
        """Read; returns the seats whose prompt is read, and of each the logits after its last token."""
        device = self._layout.device
        token_ids: list[int] = []
        positions: list[int] = []
        for seat, count in self._stretches:
            start = seat.drafted.length
            token_ids += seat.prompt.token_ids[start : start + count]
            positions += range(start, start + count)
        attend = ReadAttention([(s.drafted, count) for s, count in self._stretches], self._layout)
        hidden = blocks.hidden(
            torch.tensor(token_ids, device=device),
            torch.tensor(positions, device=device),
            attend,
            self._adapter(resident),
        )
        rows, ready, start = [], [], 0
        for seat, count in self._stretches:
            if seat.prompt.scored:
                _score(seat, hidden[start : start + count], blocks)
            seat.drafted.length += count
            start += count
            if not seat.unread_count:
                ready.append(seat)
                rows.append(hidden[start - 1])
        return ready, list(blocks.logits(torch.stack(rows))) if rows else []

    def _adapter(self, resident: ResidentModel) -> _SegmentAdapters:
        return _SegmentAdapters(self._stretches, resident)


class _SegmentAdapters:
    """Each stretch of rows with the adapter of its seat (engine.inference.blocks.Adapt)."""

    def __init__(self, stretches: Sequence[tuple[Seat, int]], resident: ResidentModel) -> None:
        self._shapes = resident.projection_shapes
        self._segments = []
        start = 0
        for seat, count in stretches:
            if seat.adapter is not None:
                self._segments.append((seat.adapter, slice(start, start + count)))
            start += count

    def __call__(
        self, layer: int, projection: int, inputs: torch.Tensor, outputs: torch.Tensor
    ) -> None:
        shape = self._shapes[projection]
        for adapter, rows in self._segments:
            apply_one(adapter, shape, layer, projection, inputs[rows], outputs[rows])


def shares(seats: Sequence[Seat], tokens: int) -> list[tuple[Seat, int]]:
    """How many tokens of each prompt are read in a pass of at most `tokens`."""
    first = min(seats[0].unread_count, max(1, tokens // 4))
    rest = tokens - first
    counts = {seats[0]: first}
    wanted = {seat: seat.unread_count - counts.get(seat, 0) for seat in seats}
    for seat in sorted(seats, key=wanted.__getitem__):
        count = min(rest, wanted[seat])
        if count:
            counts[seat] = counts.get(seat, 0) + count
            rest -= count
    return list(counts.items())


def _score(seat: Seat, hidden: torch.Tensor, blocks: ChatBlocks) -> None:
    """Add the loss of those tokens of the answer that this stretch predicts."""
    start = seat.drafted.length
    targets = [place for place in seat.prompt.scored if start < place <= start + len(hidden)]
    if not targets:
        return
    rows = torch.tensor([place - 1 - start for place in targets], device=hidden.device)
    labels = [seat.prompt.token_ids[place] for place in targets]
    logits = blocks.logits(hidden.index_select(0, rows))
    loss = torch.nn.functional.cross_entropy(
        logits, torch.tensor(labels, device=logits.device), reduction="sum"
    )
    seat.add_loss(float(loss))
