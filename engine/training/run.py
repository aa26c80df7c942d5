"""One training job as an object that moves by small steps, so that a loop can serve chats and other jobs in between.

From a REPL use engine.session; the loop of the engine process uses this.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Generator, Iterator
from typing import Any, TypeVar

from engine.config import steps_per_epoch, trainable_parameter_count
from engine.crash_points import hit
from engine.data.batching import epoch_batches
from engine.errors import DiskFullError, DivergedError, SuspendedError
from engine.export.peft_adapter import write_adapter
from engine.models.devices import free_cached_memory, peak_memory_bytes, reset_peak_memory
from engine.models.loading import ModelHost, ResidentModel, needs_four_bit
from engine.protocol import TrainingSpec
from engine.signals import Signals
from engine.training.attempt import Attempt
from engine.training.checkpoints import CheckpointFolder
from engine.training.footprint import PassPlan
from engine.training.job_data import JobData, load_data
from engine.training.memory import plan_passes
from engine.training.pace import Pace
from engine.training.samples import draw_sample
from engine.training.schedule import learning_rate_at
from engine.training.story import Event, Story

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

Events = Generator[list[Event]]
"""Each item is one small step's events, often none."""


class TrainingRun:
    """A job from its spec to the finished adapter folder.

    A job that was interrupted goes on from its newest checkpoint that proves itself.

    Args:
        work_id: repeated in every event.
        host: where the base model is or becomes resident.
        signals: give it cancel, stop or suspend from any thread.
        micro_batch_tokens: tokens of one forward pass; by the device and its memory when not given.
    """

    def __init__(
        self,
        work_id: str,
        spec: TrainingSpec,
        host: ModelHost,
        signals: Signals | None = None,
        micro_batch_tokens: int | None = None,
    ) -> None:
        self.work_id = work_id
        self.signals = signals or Signals()
        self.is_finished = False
        self.has_begun = False
        self.is_between_steps = True
        self._is_settled = True
        self.pace = Pace()
        self.story = Story(work_id)
        self.checkpoints = CheckpointFolder(spec)
        self._spec = spec
        self._host = host
        self._micro_batch_tokens = micro_batch_tokens
        self._resident: ResidentModel | None = None
        self._peak_bytes = 0
        self._attempt: Attempt | None = None
        self._progress = self._live()

    def __iter__(self) -> Iterator[Event]:
        while not self.is_finished:
            yield from self.advance()

    @property
    def spec(self) -> TrainingSpec:
        return self._spec

    @property
    def remaining_tokens(self) -> float:
        """Tokens of training that the rest is worth; none for a job that was asked to stop."""
        return 0.0 if self.signals.has("stop") else self.pace.remaining_tokens

    def advance(self) -> list[Event]:
        """Do one small step and return the events it gave, often none.

        Raises:
            EngineError: the job ended without a result (cancelled, suspended, diverged, unusable data, no memory or
                space).
        """
        if self.is_finished:
            return []
        try:
            self.signals.raise_if_cancelled()
            if self._is_settled and self.signals.has("suspend"):
                self._suspend()
            self.has_begun = True
            if self._resident is not None:
                self._resident.signals = self.signals
            events = next(self._progress)
        except BaseException:
            self.close()
            raise
        if events and events[-1]["type"] == "finished":
            self.close()
            self.checkpoints.discard()
        return events

    def close(self) -> None:
        """Give back everything that the job holds; its checkpoints stay for another attempt."""
        self.is_finished = True
        self._progress.close()
        if self._resident is not None:
            if self._attempt is not None:
                self._resident.adapters.delete(self._attempt.adapter)
            self._host.release(self._resident)
            self._resident = None
            free_cached_memory(self._host.device)

    def _live(self) -> Events:
        yield [self.story.enter("preparing")]
        lora = self._spec.lora
        resident = self._resident = self._host.acquire(
            self._spec.base_model, is_four_bit=needs_four_bit(lora)
        )
        reset_peak_memory(resident.device)
        resident.signals = self.signals
        hit("P5")
        data = yield from _quietly(load_data(self._spec, resident))
        passes = plan_passes(resident, lora, self._spec.training, data.longest)
        if self._micro_batch_tokens is not None:
            passes = PassPlan(self._micro_batch_tokens, passes.recompute)
        checkpoint = self.checkpoints.newest()
        attempt = self._attempt = Attempt(self._spec, resident, passes, checkpoint)
        plan = self._plan(data, resident, attempt)
        self.pace.start(data, self._spec.training, attempt.step)
        yield [plan]
        if checkpoint is not None:
            self.story.load_state(checkpoint.progress["story"])
            self.story.note(f"goes on after step {attempt.step}")
            yield list(self.story.events)
        elif data.held_out:
            yield [self.story.enter("baseline")]
            yield from self._evaluate(attempt, data, is_trained=False)
        elif self._spec.sample_prompts:
            yield [self.story.enter("baseline")]
            yield from self._sample(attempt)
        if attempt.step < plan["total_steps"] and not attempt.best.is_exhausted:
            yield [self.story.enter("training")]
            yield from self._train(attempt, data, plan["total_steps"])
        yield [self.story.enter("saving")]
        yield self._finish(attempt, data, plan)

    def _train(self, attempt: Attempt, data: JobData, total_steps: int) -> Events:
        training = self._spec.training
        batch_size, seed = training.effective_batch_size, training.seed
        steps_in_epoch = steps_per_epoch(len(data.train), training)
        attempt.start_clocks()
        for epoch in range(attempt.step // steps_in_epoch, training.num_epochs):
            batches = list(epoch_batches(len(data.train), batch_size, seed=seed, epoch=epoch))
            for batch in batches[attempt.step - epoch * steps_in_epoch :]:
                rate = learning_rate_at(attempt.step + 1, total_steps, training)
                self.is_between_steps = self._is_settled = False
                hit("P6")
                try:
                    result = yield from _quietly(
                        attempt.stepper.step([data.train[index] for index in batch], rate)
                    )
                except DivergedError as failure:
                    failure.params["step"] = attempt.step + 1
                    raise
                attempt.count(result)
                self.pace.count_step()
                step, is_last = attempt.step, attempt.step == total_steps
                events: list[Event] = []
                if step % training.logging_steps == 0 or is_last:
                    events.append(self._point(attempt, steps_in_epoch))
                self.is_between_steps = True
                yield events
                is_due = step % (training.eval_steps or steps_in_epoch) == 0 or is_last
                if is_due and (data.held_out or self._spec.sample_prompts):
                    yield from self._measure(attempt, data, is_last=is_last)
                if not is_last and attempt.is_checkpoint_due():
                    yield [self._save_checkpoint(attempt)]
                if attempt.best.is_exhausted:
                    self.story.note(f"stopped early after step {step}")
                    return
                if self.signals.has("stop") and not is_last:
                    self.story.note(f"stopped by request after step {step}")
                    attempt.is_stopped = True
                    return
                self._is_settled = not is_last
                yield []

    def _measure(self, attempt: Attempt, data: JobData, *, is_last: bool) -> Events:
        attempt.window.pause()
        yield [self.story.enter("evaluating")]
        if data.held_out:
            yield from self._evaluate(attempt, data, is_trained=True)
        else:
            yield from self._sample(attempt)
        attempt.window.resume()
        if not is_last and not attempt.best.is_exhausted:
            yield [self.story.enter("training")]

    def _evaluate(self, attempt: Attempt, data: JobData, *, is_trained: bool) -> Events:
        eval_loss = yield from _quietly(attempt.stepper.evaluate(data.held_out))
        self.pace.count_evaluation()
        if not math.isfinite(eval_loss):
            raise DivergedError(f"held-out loss {eval_loss}", step=attempt.step)
        is_best = is_trained and attempt.offer(eval_loss)
        yield [
            self.story.tell(
                self.story.made(
                    "evaluation", step=attempt.step, eval_loss=eval_loss, is_best=is_best
                )
            )
        ]
        yield from self._sample(attempt)

    def _sample(self, attempt: Attempt) -> Events:
        for index, prompt in enumerate(self._spec.sample_prompts):
            sample = yield from _quietly(draw_sample(attempt.resident, attempt.adapter, prompt))
            event = self.story.made(
                "sample",
                step=attempt.step,
                index=index,
                prompt=prompt,
                text=sample.text,
                finish_reason=sample.finish_reason,
            )
            yield [self.story.tell(event)]

    def _plan(self, data: JobData, resident: ResidentModel, attempt: Attempt) -> Event:
        training = self._spec.training
        steps = steps_per_epoch(len(data.train), training)
        return self.story.made(
            "plan",
            total_steps=steps * training.num_epochs,
            total_epochs=training.num_epochs,
            example_count=len(data.train),
            eval_example_count=len(data.held_out),
            truncated_count=data.truncated_count,
            cut_answer_count=data.cut_answer_count,
            dropped_count=data.dropped_count,
            resumed_step=attempt.step,
            token_count=data.token_count,
            label_token_count=data.label_token_count,
            trainable_parameters=trainable_parameter_count(
                self._spec.lora, resident.module_shapes, resident.layer_count
            ),
        )

    def _suspend(self) -> None:
        """Leave a checkpoint, when there is anything to keep, and end."""
        if self._attempt is not None and self._attempt.is_worth_keeping:
            self._save_checkpoint(self._attempt)
        raise SuspendedError

    def _save_checkpoint(self, attempt: Attempt) -> Event:
        """Save a checkpoint. One that finds no space costs only itself: the one before stays, the job goes on."""
        is_saved = True
        try:
            self.checkpoints.save(attempt.checkpoint(self.story.state()))
            self.story.note(f"checkpoint at step {attempt.step}")
        except DiskFullError:
            is_saved = False
            self.story.note(f"no space for a checkpoint at step {attempt.step}")
        return self.story.made("checkpoint", step=attempt.step, failed=not is_saved)

    def _point(self, attempt: Attempt, steps_in_epoch: int) -> Event:
        point = attempt.window.flush(attempt.step, attempt.step / steps_in_epoch)
        point["memory_bytes"] = self._peak()
        return self.story.tell(self.story.made("step", **point))

    def _peak(self) -> int:
        # Another job that begins meanwhile has the device count anew.
        self._peak_bytes = max(self._peak_bytes, peak_memory_bytes(self._host.device))
        return self._peak_bytes

    def _finish(self, attempt: Attempt, data: JobData, plan: Event) -> list[Event]:
        events = []
        if not attempt.window.is_empty:
            # Ended between two points of the curve.
            events.append(
                self._point(attempt, steps_per_epoch(len(data.train), self._spec.training))
            )
        losses = self.story.losses
        adapter_step, weights = attempt.result()
        figures: dict[str, Any] = {
            "final_loss": losses[-1],
            "best_loss": min(losses),
            "duration_seconds": self.story.duration_seconds,
            "peak_memory_bytes": self._peak(),
            "adapter_step": adapter_step,
            "stopped_early": attempt.best.is_exhausted,
            "stopped_by_request": attempt.is_stopped,
        }
        self.story.note(f"saves the adapter of step {adapter_step}")
        metrics = figures | {
            "steps": attempt.step,
            "example_count": plan["example_count"],
            "plan": {
                name: value for name, value in plan.items() if name not in ("type", "work_id")
            },
            "passes": attempt.passes_taken(self._host.products.name),
            "curve": self.story.bare("step", "evaluation"),
            "samples": self.story.bare("sample"),
        }
        written = write_adapter(self._spec, weights, metrics, self.story.log_text)
        finished = self.story.made(
            "finished",
            output_dir=self._spec.output_dir,
            files=written.files,
            adapter_digest=written.adapter_digest,
            size_bytes=written.size_bytes,
            **figures,
        )
        return [*events, finished]


def _quietly(work: Generator[None, None, Result]) -> Generator[list[Event], None, Result]:
    """Work that yields between its parts, as steps without events."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            result: Result = end.value
            return result
        yield []
