"""One optimizer step in micro-steps: forward, backward, clip, update."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Iterator, Sequence

import torch

from engine.config import TrainingHyperparameters
from engine.data.batching import MicroBatch, Row, micro_batches
from engine.errors import DivergedError
from engine.models.loading import ResidentModel
from engine.training.loss import label_loss_sum


@dataclasses.dataclass(frozen=True, slots=True)
class StepResult:
    """What one optimizer step did.

    Attributes:
        loss_sum: over the batch's label positions, in nats, before the update.
        grad_norm: Euclidean length of the gradient before clipping.
    """

    loss_sum: float
    label_count: int
    token_count: int
    learning_rate: float
    grad_norm: float


class RandomState:
    """A stream of random numbers of its own on the engine's device, whatever else draws meanwhile."""

    def __init__(self, seed: int, kind: str) -> None:
        self._kind = kind
        with self._global_kept():
            torch.manual_seed(seed)
            self._saved = self._capture()

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """Within, torch's global generators continue this stream."""
        with self._global_kept():
            self._restore(self._saved)
            yield
            self._saved = self._capture()

    @contextlib.contextmanager
    def _global_kept(self) -> Iterator[None]:
        before = self._capture()
        try:
            yield
        finally:
            self._restore(before)

    def _capture(self) -> tuple[torch.Tensor, torch.Tensor | None]:
        if self._kind == "cuda":
            return torch.get_rng_state(), torch.cuda.get_rng_state()
        if self._kind == "mps":
            return torch.get_rng_state(), torch.mps.get_rng_state()
        return torch.get_rng_state(), None

    def _restore(self, state: tuple[torch.Tensor, torch.Tensor | None]) -> None:
        torch.set_rng_state(state[0])
        if state[1] is not None and self._kind == "cuda":
            torch.cuda.set_rng_state(state[1])
        elif state[1] is not None and self._kind == "mps":
            torch.mps.set_rng_state(state[1])


class Stepper:
    """Moves one adapter: AdamW over its weights (Loshchilov and Hutter 2017, arXiv 1711.05101).

    Args:
        adapter: its name on the resident model.
        micro_batch_tokens: padded tokens of one forward pass.
    """

    def __init__(
        self,
        resident: ResidentModel,
        adapter: str,
        training: TrainingHyperparameters,
        micro_batch_tokens: int,
    ) -> None:
        self._resident = resident
        self._adapter = adapter
        self._training = training
        self._micro_batch_tokens = micro_batch_tokens
        self._random = RandomState(training.seed, resident.device.kind)
        self.parameters = resident.adapters.parameters(adapter)
        self._optimizer = torch.optim.AdamW(
            self.parameters, lr=training.learning_rate, weight_decay=training.weight_decay
        )

    def step(self, rows: Sequence[Row], learning_rate: float) -> Iterator[StepResult | None]:
        """Learn one batch: yields None after each micro-step but the last, and the result at the end.

        Raises:
            DivergedError: the loss or the gradient is not finite.
        """
        label_count = sum(row.label_count for row in rows)
        loss_sum, token_count = 0.0, 0
        batches = micro_batches(rows, self._micro_batch_tokens)
        for index, batch in enumerate(batches):
            if index:
                yield None
            loss_sum += self._micro_step(batch, label_count)
            token_count += batch.token_count
        grad_norm = self._update(learning_rate)
        yield StepResult(loss_sum, label_count, token_count, learning_rate, grad_norm)

    def evaluate(self, rows: Sequence[Row]) -> Iterator[float | None]:
        """Mean loss per label of held-out rows: yields None between micro-steps, and the loss at the end."""
        label_count = sum(row.label_count for row in rows)
        loss_sum = 0.0
        for batch in micro_batches(rows, self._micro_batch_tokens):
            self._resident.adapters.activate(self._adapter)
            with torch.no_grad():
                loss_sum += float(self._loss_sum(batch))
            yield None
        yield loss_sum / label_count

    def _micro_step(self, batch: MicroBatch, label_count: int) -> float:
        self._resident.adapters.activate(self._adapter, is_training=True)
        with self._random.active():
            loss_sum = self._loss_sum(batch)
            value = float(loss_sum.detach())
            if not math.isfinite(value):
                raise DivergedError(f"loss {value}")
            torch.autograd.backward(loss_sum / label_count)
        return value

    def _loss_sum(self, batch: MicroBatch) -> torch.Tensor:
        resident = self._resident
        device = resident.device.torch_device
        moved = dataclasses.replace(
            batch,
            input_ids=batch.input_ids.to(device),
            attention_mask=batch.attention_mask.to(device),
            labels=batch.labels.to(device),
        )
        return label_loss_sum(
            resident.decoder, resident.head_weight, moved, resident.check_cancelled
        )

    def _update(self, learning_rate: float) -> float:
        gradients = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        grad_norm = float(norm)
        if not math.isfinite(grad_norm):
            raise DivergedError(f"gradient norm {grad_norm}")
        if self._training.max_grad_norm > 0:
            torch.nn.utils.clip_grads_with_norm_(
                self.parameters, self._training.max_grad_norm, norm
            )
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        return grad_norm
