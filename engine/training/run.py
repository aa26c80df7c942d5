"""One training job as an object that moves by one micro-step at a time, so that a loop can serve chats in between.

From a REPL: `run = TrainingRun("job", spec, ModelHost(choose_device()))`, then `for event in run: print(event)`.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Generator, Iterator
from typing import Any

import torch

from engine.cancellation import CancelFlag
from engine.config import steps_per_epoch, trainable_parameter_count
from engine.data.batching import Row, epoch_batches
from engine.data.dataset import TrainingData, tokenize_file
from engine.export.peft_adapter import write_adapter
from engine.models.devices import free_cached_memory, peak_memory_bytes
from engine.models.loading import ModelHost, ResidentModel
from engine.protocol import Stage, TrainingSpec
from engine.training.best import BestAdapter
from engine.training.checkpoints import CheckpointFolder
from engine.training.schedule import learning_rate_at
from engine.training.step import Stepper, StepResult
from engine.training.window import StepWindow

logger = logging.getLogger(__name__)

Event = dict[str, Any]


class TrainingRun:
    """A job from its spec to the finished adapter folder.

    Args:
        work_id: repeated in every event.
        host: where the base model is or becomes resident.
        cancel_flag: set it from any thread to end the run within two seconds.
        micro_batch_tokens: padded tokens of one forward pass; the device's default when not given.
    """

    def __init__(
        self,
        work_id: str,
        spec: TrainingSpec,
        host: ModelHost,
        cancel_flag: CancelFlag | None = None,
        micro_batch_tokens: int | None = None,
    ) -> None:
        self.work_id = work_id
        self.cancel_flag = cancel_flag or CancelFlag()
        self.is_finished = False
        self._spec = spec
        self._host = host
        self._micro_batch_tokens = micro_batch_tokens or host.device.micro_batch_tokens
        self._resident: ResidentModel | None = None
        self._adapter: str | None = None
        self._checkpoints = CheckpointFolder(spec)
        self._started = time.monotonic()
        self._curve: list[Event] = []
        self._log: list[str] = []
        self._progress = self._live()

    def __iter__(self) -> Iterator[Event]:
        while not self.is_finished:
            yield from self.advance()

    def advance(self) -> list[Event]:
        """Do one micro-step and return the events it gave, often none.

        Raises:
            EngineError: the job ended without a result (cancelled, diverged, unusable data, no memory or space).
        """
        if self.is_finished:
            return []
        try:
            self.cancel_flag.raise_if_set()
            if self._resident is not None:
                self._resident.cancel_flag = self.cancel_flag
            events = next(self._progress)
        except BaseException:
            self.close()
            raise
        if events and events[-1]["type"] == "finished":
            self.close()
        return events

    def close(self) -> None:
        """Give back everything that the job holds; an unfinished one leaves no file."""
        self.is_finished = True
        self._progress.close()
        self._checkpoints.discard()
        if self._resident is not None:
            if self._adapter is not None:
                self._resident.adapters.delete(self._adapter)
            self._host.release(self._resident)
            self._resident = None
            free_cached_memory(self._host.device)

    def _live(self) -> Generator[list[Event]]:
        self._checkpoints.discard()
        yield [self._stage("preparing")]
        resident = self._resident = self._host.acquire(self._spec.base_model)
        resident.cancel_flag = self.cancel_flag
        training = self._spec.training
        data: TrainingData | None = None
        for part in tokenize_file(
            self._spec.dataset_path, self._spec.dataset_type, resident.chat_format, training
        ):
            data = part
            yield []
        assert data is not None
        self._adapter = resident.adapters.add(self._spec.lora, seed=training.seed)
        stepper = Stepper(resident, self._adapter, training, self._micro_batch_tokens)
        plan = self._plan(data, resident)
        yield [plan]
        best = BestAdapter(training.early_stopping_patience)
        if data.held_out is not None:
            yield [self._stage("baseline")]
            yield from self._evaluate(stepper, data, 0, best)
        yield [self._stage("training")]
        final_loss = yield from self._train(stepper, data, plan["total_steps"], best)
        yield [self._stage("saving")]
        yield [self._finish(final_loss, plan, best)]

    def _train(
        self, stepper: Stepper, data: TrainingData, total_steps: int, best: BestAdapter
    ) -> Generator[list[Event], None, float]:
        training = self._spec.training
        rows = [Row(row["input_ids"], row["is_label"]) for row in data.train]
        steps_in_epoch = steps_per_epoch(len(rows), training)
        window = StepWindow()
        step, final_loss = 0, math.nan
        for epoch in range(training.num_epochs):
            for batch in epoch_batches(
                len(rows), training.effective_batch_size, seed=training.seed, epoch=epoch
            ):
                step += 1
                result: StepResult | None = None
                rate = learning_rate_at(step, total_steps, training)
                for result in stepper.step([rows[index] for index in batch], rate):
                    if result is None:
                        yield []
                assert result is not None
                window.add(result)
                events: list[Event] = []
                if step % training.logging_steps == 0 or step == total_steps:
                    event = window.flush(self.work_id, step, step / steps_in_epoch, result)
                    final_loss = event["loss"]
                    self._curve.append(event)
                    events.append(event)
                if step % training.save_steps == 0:
                    self._save_checkpoint(step)
                yield events
            if data.held_out is not None:
                window.pause()
                yield [self._stage("evaluating")]
                yield from self._evaluate(stepper, data, step, best)
                window.resume()
                if best.is_exhausted:
                    self._note(f"stopped early after step {step}")
                    break
                if epoch + 1 < training.num_epochs:
                    yield [self._stage("training")]
        return final_loss

    def _evaluate(
        self, stepper: Stepper, data: TrainingData, step: int, best: BestAdapter
    ) -> Iterator[list[Event]]:
        assert data.held_out is not None
        assert self._resident is not None
        rows = [Row(row["input_ids"], row["is_label"]) for row in data.held_out]
        eval_loss: float | None = None
        for eval_loss in stepper.evaluate(rows):
            if eval_loss is None:
                yield []
        assert eval_loss is not None
        is_best = step > 0 and best.offer(eval_loss)
        if is_best and self._spec.training.early_stopping_patience:
            best.keep(step, self._resident.adapters.state_dict(self._adapter or ""))
        event = {
            "type": "evaluation",
            "work_id": self.work_id,
            "step": step,
            "eval_loss": eval_loss,
            "is_best": is_best,
        }
        self._curve.append(event)
        yield [event]

    def _finish(self, final_loss: float, plan: Event, best: BestAdapter) -> Event:
        assert self._resident is not None
        assert self._adapter is not None
        state: dict[str, torch.Tensor] = best.state or self._resident.adapters.state_dict(
            self._adapter
        )
        losses = [event["loss"] for event in self._curve if event["type"] == "step"]
        duration_seconds = time.monotonic() - self._started
        figures = {
            "final_loss": final_loss,
            "best_loss": min(losses),
            "duration_seconds": duration_seconds,
            "peak_memory_bytes": peak_memory_bytes(self._host.device),
            "stopped_early": best.is_exhausted,
        }
        steps = max(event["step"] for event in self._curve)
        self._note(f"saved the adapter of step {best.step or steps}")
        metrics = figures | {
            "steps": steps,
            "adapter_step": best.step or steps,
            "example_count": plan["example_count"],
            "plan": _bare(plan),
            "curve": [_bare(event) for event in self._curve],
        }
        written = write_adapter(self._spec, state, metrics, "\n".join(self._log) + "\n")
        self._checkpoints.keep()
        return {
            "type": "finished",
            "work_id": self.work_id,
            "output_dir": self._spec.output_dir,
            "files": written.files,
            "adapter_digest": written.adapter_digest,
            "size_bytes": written.size_bytes,
        } | figures

    def _plan(self, data: TrainingData, resident: ResidentModel) -> Event:
        training = self._spec.training
        example_count = len(data.train)
        return {
            "type": "plan",
            "work_id": self.work_id,
            "total_steps": steps_per_epoch(example_count, training) * training.num_epochs,
            "total_epochs": training.num_epochs,
            "example_count": example_count,
            "eval_example_count": 0 if data.held_out is None else len(data.held_out),
            "truncated_count": data.truncated_count,
            "dropped_count": data.dropped_count,
            "token_count": data.token_count,
            "label_token_count": data.label_token_count,
            "trainable_parameters": trainable_parameter_count(
                self._spec.lora, resident.module_shapes, resident.layer_count
            ),
        }

    def _save_checkpoint(self, step: int) -> None:
        assert self._resident is not None
        assert self._adapter is not None
        self._checkpoints.save(step, self._resident.adapters.state_dict(self._adapter))
        self._note(f"checkpoint at step {step}")

    def _stage(self, stage: Stage) -> Event:
        self._note(stage)
        return {"type": "stage", "work_id": self.work_id, "stage": stage}

    def _note(self, text: str) -> None:
        self._log.append(f"{time.monotonic() - self._started:9.3f} s  {text}")
        logger.info("job=%s %s", self.work_id, text)


def _bare(event: Event) -> Event:
    return {key: value for key, value in event.items() if key not in ("type", "work_id")}
