"""One attempt at a job on a resident model: the adapter, its optimizer and how far it is; what a checkpoint holds."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch

from engine.models.loading import ResidentModel
from engine.protocol import TrainingSpec
from engine.training.best import BestAdapter
from engine.training.checkpoints import Checkpoint
from engine.training.footprint import PassPlan
from engine.training.step import Stepper, StepResult
from engine.training.window import StepWindow

CHECKPOINT_SECONDS = 60.0
"""A crash costs at most this, and save_steps when that is sooner."""


class Attempt:
    """The moving state of a job.

    Args:
        passes: how the passes are cut; a checkpoint's own cut wins, so that the last bits stay the same.
        checkpoint: where to go on from.
    """

    def __init__(
        self,
        spec: TrainingSpec,
        resident: ResidentModel,
        passes: PassPlan,
        checkpoint: Checkpoint | None,
    ) -> None:
        training = spec.training
        self.resident = resident
        self.step = 0
        self.is_stopped = False
        self.window = StepWindow()
        self.best = BestAdapter(
            training.early_stopping_patience, is_kept=training.kept_adapter == "best"
        )
        if checkpoint is not None:
            passes = PassPlan(**checkpoint.progress["passes"])
        self._passes = passes
        self._save_steps = training.save_steps
        self._saved_step = 0
        self._saved_at = time.monotonic()
        self.adapter = resident.adapters.add(spec.lora, seed=training.seed)
        try:
            self.stepper = Stepper(
                resident, self.adapter, training, passes, dropout=spec.lora.dropout
            )
            if checkpoint is not None:
                self._load(checkpoint)
        except BaseException:
            resident.adapters.delete(self.adapter)
            raise

    def start_clocks(self) -> None:
        """Training begins now."""
        self.window.restart()
        self._saved_at = time.monotonic()

    def count(self, result: StepResult) -> None:
        """A step is done."""
        self.step += 1
        self.window.add(result)

    def offer(self, eval_loss: float) -> bool:
        """Take a held-out loss of the adapter as it is now; returns whether it is the best so far."""
        is_best = self.best.offer(eval_loss)
        if is_best and self.best.is_kept:
            self.best.keep(self.step, self.resident.adapters.state_dict(self.adapter))
        return is_best

    def result(self) -> tuple[int, dict[str, torch.Tensor]]:
        """The step and the weights of the adapter that the job leaves."""
        if self.best.weights:
            return self.best.step, self.best.weights
        return self.step, self.resident.adapters.state_dict(self.adapter)

    def is_checkpoint_due(self) -> bool:
        return (
            self.step % self._save_steps == 0
            or time.monotonic() - self._saved_at >= CHECKPOINT_SECONDS
        )

    @property
    def is_worth_keeping(self) -> bool:
        """Whether steps were done that no checkpoint holds."""
        return self.step > self._saved_step

    def checkpoint(self, story: Mapping[str, Any]) -> Checkpoint:
        """The state to go on from after this step.

        Args:
            story: what the job has told.
        """
        self._saved_step, self._saved_at = self.step, time.monotonic()
        return Checkpoint(
            step=self.step,
            adapter=self.resident.adapters.state_dict(self.adapter),
            optimizer=self.stepper.state(),
            best=self.best.weights,
            progress={
                "story": dict(story),
                "window": self.window.state(),
                "best": self.best.state(),
                "passes": asdict(self._passes),
            },
        )

    def passes_taken(self, products_name: str) -> dict[str, Any]:
        """How the job computed, for its record."""
        return {
            "micro_batch_tokens": self._passes.micro_batch_tokens,
            "gradient_checkpointing": self._passes.recompute,
            "products": products_name,
            "threads": torch.get_num_threads(),
            "device": self.resident.device.name,
            "dtype": self.resident.device.dtype_name,
        }

    def _load(self, checkpoint: Checkpoint) -> None:
        self.step = self._saved_step = checkpoint.step
        self.resident.adapters.load_state_dict(self.adapter, checkpoint.adapter)
        self.stepper.load_state(checkpoint.optimizer)
        self.window.load_state(checkpoint.progress["window"])
        self.best.load_state(checkpoint.progress["best"], dict(checkpoint.best))
