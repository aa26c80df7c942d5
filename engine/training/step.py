"""One optimizer step in small parts: passes over micro-batches, clip, update."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Generator, Mapping, Sequence

import torch

from engine.config import TrainingHyperparameters
from engine.data.batching import MicroBatch, Row, micro_batches
from engine.errors import DivergedError
from engine.models.loading import ResidentModel
from engine.training.footprint import PassPlan
from engine.training.optimizer import load_optimizer_state, make_optimizer, optimizer_state
from engine.training.passes import AdaptedModel, learn, measure

_GENERATOR = "generator"


@dataclasses.dataclass(frozen=True, slots=True)
class StepResult:
    """What one optimizer step did.

    Attributes:
        loss_sum: over the batch's label positions, in nats, before the update.
        token_count: tokens of the batch's examples as the dataset has them.
        grad_norm: Euclidean length of the gradient before clipping.
    """

    loss_sum: float
    label_count: int
    token_count: int
    learning_rate: float
    grad_norm: float


class Stepper:
    """Moves one adapter.

    Args:
        adapter: its name on the resident model.
        dropout: of the adapter's input.
        plan: how the passes are cut.
    """

    def __init__(
        self,
        resident: ResidentModel,
        adapter: str,
        training: TrainingHyperparameters,
        plan: PassPlan,
        *,
        dropout: float = 0.0,
    ) -> None:
        self._resident = resident
        self._adapter = adapter
        self._training = training
        self._plan = plan
        self._generator: torch.Generator | None = None
        if dropout > 0:
            self._generator = torch.Generator(resident.device.torch_device)
            self._generator.manual_seed(training.seed)
        self.parameters = resident.adapters.parameters(adapter)
        self._optimizer = make_optimizer(self.parameters, training)
        blocks = resident.packed.blocks(adapter, resident.adapters.biases(adapter))
        self._model = AdaptedModel(resident.packed, blocks, resident.head_weight)

    def step(self, rows: Sequence[Row], learning_rate: float) -> Generator[None, None, StepResult]:
        """Learn one batch; yields between the parts of its passes.

        Raises:
            DivergedError: the loss or the gradient is not finite.
        """
        label_count = sum(row.label_count for row in rows)
        loss_sum = 0.0
        for batch in self._micro_batches(rows, share_prefix=self._generator is None):
            passes = learn(
                self._model, batch, label_count, self._generator, recompute=self._plan.recompute
            )
            loss_sum += yield from self._active(passes, is_training=True)
            self._check_finite(loss_sum, learning_rate)
        token_count = sum(len(row.input_ids) for row in rows)
        grad_norm = self._update(learning_rate)
        return StepResult(loss_sum, label_count, token_count, learning_rate, grad_norm)

    def evaluate(self, rows: Sequence[Row]) -> Generator[None, None, float]:
        """Mean loss per label of held-out rows, in nats; yields between the parts of its passes."""
        label_count = sum(row.label_count for row in rows)
        loss_sum = 0.0
        for batch in self._micro_batches(rows, share_prefix=True):
            loss_sum += yield from self._active(measure(self._model, batch), is_training=False)
        return loss_sum / label_count

    def state(self) -> dict[str, torch.Tensor]:
        """Everything beside the adapter that the next step depends on, as tensors on the CPU."""
        state = optimizer_state(self._optimizer, self.parameters)
        if self._generator is not None:
            state[_GENERATOR] = self._generator.get_state()
        return state

    def load_state(self, state: Mapping[str, torch.Tensor]) -> None:
        """Go on from what state gave."""
        tensors = dict(state)
        generator_state = tensors.pop(_GENERATOR, None)
        if self._generator is not None and generator_state is not None:
            self._generator.set_state(generator_state)
        load_optimizer_state(self._optimizer, self.parameters, tensors)

    def _micro_batches(self, rows: Sequence[Row], *, share_prefix: bool) -> list[MicroBatch]:
        return micro_batches(rows, self._plan.micro_batch_tokens, share_prefix=share_prefix)

    def _active(
        self, passes: Generator[None, None, float], *, is_training: bool
    ) -> Generator[None, None, float]:
        """Go through a pass; whatever other work did meanwhile, the adapter takes gradients again afterwards."""
        while True:
            self._resident.adapters.activate(self._adapter, is_training=is_training)
            try:
                next(passes)
            except StopIteration as end:
                return float(end.value)
            yield

    def _check_finite(self, value: float, learning_rate: float) -> None:
        if not math.isfinite(value):
            raise DivergedError(f"loss or gradient {value}", learning_rate=learning_rate)

    def _update(self, learning_rate: float) -> float:
        gradients = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients, foreach=True)
        grad_norm = float(norm)
        self._check_finite(grad_norm, learning_rate)
        if self._training.max_grad_norm > 0:
            torch.nn.utils.clip_grads_with_norm_(
                self.parameters, self._training.max_grad_norm, norm
            )
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        return grad_norm
