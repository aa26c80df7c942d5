"""Forward and backward through a micro-batch, block by block, so that other work gets in between and changes no bit.

Autograd follows one block at a time: the input of every block is cut off from what came before, and the backward pass
goes through the blocks by hand, last to first. After each block, and after each part of the head, the pass yields.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass

import torch

from engine.data.batching import MicroBatch
from engine.models.decoder import Block, PackedDecoder, Surroundings
from engine.models.products import Products
from engine.training.loss import CHUNK_POSITIONS, head_loss, head_loss_and_gradient

Pass = Generator[None, None, float]
"""Yields between blocks; returns the sum of the micro-batch's losses in nats."""


@dataclass(frozen=True, slots=True)
class AdaptedModel:
    """A base model with one adapter, as the passes see it.

    Attributes:
        head: output projection, (vocabulary, hidden size), frozen and without bias.
    """

    decoder: PackedDecoder
    blocks: list[Block]
    head: torch.Tensor

    @property
    def ending(self) -> tuple[Products, float | None]:
        """How to multiply with the head, and the cap of its logits."""
        return self.decoder.products, self.decoder.architecture.logit_cap


def learn(
    model: AdaptedModel,
    batch: MicroBatch,
    label_count: int,
    generator: torch.Generator | None = None,
    *,
    recompute: bool = False,
) -> Pass:
    """Add the gradient of (loss sum of the micro-batch / `label_count`) to the adapter's weights.

    Divided by the labels of the *whole* batch, any cut of it into micro-batches gives the same gradient.

    Args:
        label_count: labels of the whole batch.
        generator: draws dropout; None when nothing is dropped.
        recompute: keep only each block's input, and compute the block again on the way back (arXiv 1604.06174).
    """
    batch = batch.to(model.head.device)
    hidden = model.decoder.embed(batch)
    around = model.decoder.surroundings(batch, hidden, generator)
    segments: list[_Segment] = []
    for index, block in enumerate(model.blocks):
        kept = batch.label_positions if index == len(model.blocks) - 1 else None
        segment = _Segment(block, hidden, around, kept, is_first=index == 0)
        hidden = segment.forward(recompute=recompute)
        segments.append(segment)
        yield
    loss_sum, gradient = yield from _through_head(model, hidden, batch)
    gradient /= label_count
    while segments:
        gradient = segments.pop().backward(gradient)
        yield
    return float(loss_sum)


def measure(model: AdaptedModel, batch: MicroBatch) -> Pass:
    """The loss sum of a micro-batch; nothing is dropped and no gradient is taken."""
    batch = batch.to(model.head.device)
    hidden = model.decoder.embed(batch)
    around = model.decoder.surroundings(batch, hidden)
    for index, block in enumerate(model.blocks):
        kept = batch.label_positions if index == len(model.blocks) - 1 else None
        with torch.no_grad():
            hidden = block(hidden, around, kept)
        yield
    normed = model.decoder.final_norm(hidden)
    loss_sum = 0.0
    for part in _parts(batch):
        with torch.no_grad():
            loss_sum += float(
                head_loss(normed[part], model.head, batch.labels[part], *model.ending)
            )
        yield
    return loss_sum


class _Segment:
    """One block of a pass: its input, and its output with the graph between them unless that is computed again."""

    def __init__(
        self,
        block: Block,
        hidden: torch.Tensor,
        around: Surroundings,
        kept: torch.Tensor | None,
        *,
        is_first: bool,
    ) -> None:
        self._block = block
        # Below the first block nothing learns, so its input needs no gradient.
        self._entry = hidden.detach().requires_grad_(not is_first)
        self._around = around
        self._kept = kept
        self._exit: torch.Tensor | None = None
        self._dropout_state: torch.Tensor | None = None

    def forward(self, *, recompute: bool) -> torch.Tensor:
        if not recompute:
            self._exit = self._compute()
            return self._exit.detach()
        if self._around.generator is not None:
            self._dropout_state = self._around.generator.get_state()
        with torch.no_grad():
            return self._block(self._entry, self._around, self._kept)

    def backward(self, gradient: torch.Tensor) -> torch.Tensor:
        """Add the adapter's gradients up and return that of the input (the first block returns what it got)."""
        outcome = self._compute_again() if self._exit is None else self._exit
        if outcome.requires_grad:
            torch.autograd.backward(outcome, gradient)
        return gradient if self._entry.grad is None else self._entry.grad

    def _compute(self) -> torch.Tensor:
        with torch.enable_grad():
            return self._block(self._entry, self._around, self._kept)

    def _compute_again(self) -> torch.Tensor:
        generator = self._around.generator
        if generator is None or self._dropout_state is None:
            return self._compute()
        ahead = generator.get_state()
        generator.set_state(self._dropout_state)
        outcome = self._compute()
        generator.set_state(ahead)
        return outcome


def _through_head(
    model: AdaptedModel, hidden: torch.Tensor, batch: MicroBatch
) -> Generator[None, None, tuple[torch.Tensor, torch.Tensor]]:
    """The loss sum, and the gradient of the last block's output."""
    with torch.enable_grad():
        entry = hidden.detach().requires_grad_()
        normed = model.decoder.final_norm(entry)
    gradient = torch.empty_like(normed)
    loss_sum = torch.zeros((), dtype=torch.float64)
    for part in _parts(batch):
        loss, gradient[part] = head_loss_and_gradient(
            normed.detach()[part], model.head, batch.labels[part], *model.ending
        )
        loss_sum += loss.double().cpu()
        yield
    torch.autograd.backward(normed, gradient)
    assert entry.grad is not None
    return loss_sum, entry.grad


def _parts(batch: MicroBatch) -> Iterator[slice]:
    for start in range(0, batch.label_count, CHUNK_POSITIONS):
        yield slice(start, start + CHUNK_POSITIONS)
