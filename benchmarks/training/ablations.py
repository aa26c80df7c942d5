"""The engine with one technique taken out, each by replacing an object from outside: the product has no switch for it.

Every ablation learns the same as the whole (the benchmark compares their losses); only the work differs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

import torch
from torch.nn.utils.rnn import pad_sequence

from engine.data.batching import MicroBatch, Row
from engine.models import attention
from engine.models.loading import ResidentModel
from engine.models.products import TORCH, Products
from engine.training import passes, step
from engine.training.footprint import PassPlan
from engine.training.loss import CHUNK_POSITIONS, head_loss_and_gradient
from engine.training.step import Stepper

SMALL_MICRO_BATCH = 128

Patch = contextlib.AbstractContextManager[Any]


@dataclass(frozen=True, slots=True)
class Ablation:
    """How the engine is changed for a run.

    Attributes:
        stepper: takes the Stepper's place.
        plan: changes how the passes are cut.
        patch: makes what is in force while the job is set up and runs.
        is_cold: whether the base model is loaded anew, inside the measured time.
    """

    stepper: type[Stepper] = Stepper
    plan: Callable[[PassPlan], PassPlan] = lambda plan: plan
    patch: Callable[[ResidentModel], Patch] = lambda resident: contextlib.nullcontext()
    is_cold: bool = False


class _WithoutPrefix(Stepper):
    def _micro_batches(self, rows: Sequence[Row], *, share_prefix: bool) -> list[MicroBatch]:
        return super()._micro_batches(rows, share_prefix=False)


class _Padded(Stepper):
    def _micro_batches(self, rows: Sequence[Row], *, share_prefix: bool) -> list[MicroBatch]:
        return [padded(batch) for batch in super()._micro_batches(rows, share_prefix=share_prefix)]


class _AllPositions(Stepper):
    def _micro_batches(self, rows: Sequence[Row], *, share_prefix: bool) -> list[MicroBatch]:
        batches = super()._micro_batches(rows, share_prefix=share_prefix)
        return [all_positions(batch) for batch in batches]


def padded(batch: MicroBatch) -> MicroBatch:
    """The same examples, each filled up to the longest; causal attention hides the filling from every real token."""
    start, width = batch.prefix_length, max(batch.row_lengths)
    places = [torch.arange(start)]
    for index, length in enumerate(batch.row_lengths):
        places.append(start + index * width + torch.arange(length))

    def filled(values: torch.Tensor) -> torch.Tensor:
        rows = pad_sequence(values[start:].split(batch.row_lengths), batch_first=True)
        return torch.cat([values[:start], rows.flatten()])

    return replace(
        batch,
        input_ids=filled(batch.input_ids),
        positions=filled(batch.positions),
        row_lengths=(width,) * len(batch.row_lengths),
        label_positions=torch.cat(places)[batch.label_positions],
    )


def all_positions(batch: MicroBatch) -> MicroBatch:
    """The same with every position to be scored; the label is -100 where nothing is learned."""
    labels = torch.full_like(batch.input_ids, -100)
    labels[batch.label_positions] = batch.labels
    return replace(batch, label_positions=torch.arange(len(labels)), labels=labels)


def _masked_head(
    normed: torch.Tensor, head: torch.Tensor, labels: torch.Tensor, products: Products
) -> tuple[torch.Tensor, torch.Tensor]:
    """head_loss_and_gradient over all positions, those without label scored in vain."""
    unlearned, labels = labels < 0, labels.clamp(min=0)
    logits = products.linear(normed, head)
    chosen = logits.gather(1, labels.unsqueeze(1)).squeeze(1)
    largest = logits.amax(dim=1)
    weights = logits.sub_(largest.unsqueeze(1)).exp_()
    total = weights.sum(dim=1)
    losses = (total.log() + largest - chosen).masked_fill(unlearned, 0)
    gradient = products.times(weights, head).div_(total.unsqueeze(1)).sub_(head[labels])
    return losses.sum(), gradient.masked_fill_(unlearned.unsqueeze(1), 0)


def _library_learn(resident: ResidentModel) -> Callable[..., Generator[None, None, float]]:
    """The pass through transformers' forward and PEFT's layers, with our packing and our loss."""

    def learn(
        model: passes.AdaptedModel, batch: MicroBatch, label_count: int, *rest: Any, **options: Any
    ) -> Generator[None, None, float]:
        with torch.enable_grad():
            states = resident.decoder(
                input_ids=batch.input_ids.unsqueeze(0),
                position_ids=batch.positions.unsqueeze(0),
                attention_mask=_dense_mask(batch),
                use_cache=False,
            ).last_hidden_state
            scored = states[0, batch.label_positions]
        gradient, loss_sum = torch.empty_like(scored), 0.0
        for start in range(0, batch.label_count, CHUNK_POSITIONS):
            part = slice(start, start + CHUNK_POSITIONS)
            loss, gradient[part] = head_loss_and_gradient(
                scored.detach()[part], model.head, batch.labels[part], model.decoder.products
            )
            loss_sum += float(loss)
        scored.backward(gradient / label_count)
        yield
        return loss_sum

    return learn


def _dense_mask(batch: MicroBatch) -> torch.Tensor:
    """(1, 1, tokens, tokens): each example sees the shared prefix and itself."""
    owner = torch.tensor(
        [-1] * batch.prefix_length
        + [row for row, length in enumerate(batch.row_lengths) for _ in range(length)]
    )
    is_seen = ((owner == -1) | (owner == owner.unsqueeze(1))).tril()
    mask = torch.zeros(is_seen.shape).masked_fill(~is_seen, float("-inf"))
    return mask.unsqueeze(0).unsqueeze(0)


WHOLE = Ablation()

ABLATIONS: dict[str, Ablation] = {
    "products": Ablation(
        patch=lambda resident: mock.patch.object(resident.packed, "products", TORCH)
    ),
    "head": Ablation(
        stepper=_AllPositions,
        patch=lambda resident: mock.patch.object(passes, "head_loss_and_gradient", _masked_head),
    ),
    "prefix": Ablation(stepper=_WithoutPrefix),
    "packing": Ablation(stepper=_Padded),
    "tiles": Ablation(patch=lambda resident: mock.patch.object(attention, "TILED_KEYS", 0)),
    "blocks": Ablation(
        patch=lambda resident: mock.patch.object(step, "learn", _library_learn(resident))
    ),
    "recompute": Ablation(plan=lambda plan: replace(plan, recompute=True)),
    "budget": Ablation(plan=lambda plan: replace(plan, micro_batch_tokens=SMALL_MICRO_BATCH)),
    "warm": Ablation(is_cold=True),
}
