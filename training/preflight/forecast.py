"""What is told of a job before its start: steps, time, memory, and what is left of its examples."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from common.errors import UnavailableError
from datasets_app.models import DatasetVersion
from datasets_app.preview.ready_models import ReadyModel, ready_models
from engine.config import LoraHyperparameters, TrainingHyperparameters
from training.preflight.devices import Device, devices_for
from training.preflight.draft import Draft
from training.preflight.duration import Duration, duration_of
from training.preflight.memory import ORDER, Memory, Verdict, memory_of
from training.preflight.size import JobPlan, plan_of_counts
from training.preflight.tokens import PAGE_CHARACTERS, TokenCounts, TokenFit, token_counts

Reason = Literal["", "not_counted", "not_measured", "nothing_to_learn"]


@dataclass(frozen=True, slots=True)
class DeviceForecast:
    """A job on one device."""

    device: Device
    duration: Duration
    memory: Memory

    @property
    def seconds(self) -> float:
        return self.duration.total * self.device.factor


@dataclass(frozen=True, slots=True)
class Forecast:
    """Attributes:
    plan: of the examples that are used, where they could be counted.
    fit: what is left of the examples that are learned; None where they could not be counted.
    devices: the slowest first: a job takes the first that is free, and a promise has to hold on any.
    reason: why no time is told.
    """

    plan: JobPlan
    fit: TokenFit | None
    devices: tuple[DeviceForecast, ...]
    reason: Reason

    @property
    def slowest(self) -> DeviceForecast | None:
        return self.devices[0] if self.devices else None

    @property
    def duration_seconds(self) -> float | None:
        return self.slowest.seconds if self.slowest else None

    @property
    def tokens_per_second(self) -> float | None:
        """Tokens of the dataset that are learned in a second of training."""
        if self.slowest is None or self.fit is None:
            return None
        epochs = self.plan.total_steps / self.plan.steps_per_epoch
        tokens = self.plan.example_count * self.fit.mean_tokens * epochs
        return tokens / (self.slowest.duration.training * self.slowest.device.factor)

    @property
    def tightest_device(self) -> DeviceForecast | None:
        """The one whose memory is shortest."""
        return max(
            self.devices,
            key=lambda each: (ORDER.index(each.memory.verdict), each.memory.share),
            default=None,
        )

    @property
    def tightest(self) -> Memory | None:
        """The memory of the device where it is shortest."""
        return self.tightest_device.memory if self.tightest_device else None

    @property
    def verdict(self) -> Verdict:
        return self.tightest.verdict if self.tightest else "unknown"

    @property
    def memory_bytes(self) -> int | None:
        return self.tightest.memory_bytes if self.tightest else None


class Forecaster:
    """Everything that is read once for a draft; then its settings may be changed and forecast again and again.

    Args:
        budget: characters that may be turned into tokens now.
    """

    def __init__(self, draft: Draft, budget: int = PAGE_CHARACTERS) -> None:
        self.draft = draft
        self.counts: TokenCounts | None = None
        self._measured: TokenCounts | None = None
        self._devices: dict[str, list[Device]] = {}
        self._fits: dict[tuple[int, int, str], TokenFit] = {}
        model = ready_model(draft.base_model.name)
        if model is not None:
            self.counts = _counts(draft.dataset_version, model, budget)
            if draft.eval_dataset_version is not None:
                self._measured = _counts(draft.eval_dataset_version, model, budget)

    def forecast(
        self,
        lora: LoraHyperparameters | None = None,
        training: TrainingHyperparameters | None = None,
    ) -> Forecast:
        """Of the draft, or of the draft with other settings."""
        draft = replace(
            self.draft,
            lora=lora or self.draft.lora,
            training=training or self.draft.training,
        )
        counts, eval_version = self.counts, draft.eval_dataset_version
        if counts is None or (eval_version is not None and self._measured is None):
            return Forecast(_plan_by_settings(draft), None, (), "not_counted")
        settings = draft.training
        learned = self._fit(counts, settings)
        measured = learned if self._measured is None else self._fit(self._measured, settings)
        plan = plan_of_counts(
            draft.base_model,
            draft.lora,
            settings,
            learned.used,
            None if eval_version is None else measured.used,
        )
        if not learned.used:
            return Forecast(plan, learned, (), "nothing_to_learn")
        devices = [
            _on_device(device, draft, plan, learned, measured)
            for device in self._devices_for(draft.lora.variant)
        ]
        devices.sort(key=lambda each: each.seconds, reverse=True)
        return Forecast(plan, learned, tuple(devices), "" if devices else "not_measured")

    def _fit(self, counts: TokenCounts, training: TrainingHyperparameters) -> TokenFit:
        key = id(counts), training.max_length, training.overlong
        if key not in self._fits:
            self._fits[key] = counts.at(training.max_length, training.overlong)
        return self._fits[key]

    def _devices_for(self, variant: str) -> list[Device]:
        if variant not in self._devices:
            self._devices[variant] = devices_for(self.draft.base_model, variant)
        return self._devices[variant]


def ready_model(name: str) -> ReadyModel | None:
    """The base model, where its tokenizer lies on this host."""
    return next((model for model in ready_models() if model.name == name), None)


def _counts(version: DatasetVersion, model: ReadyModel, budget: int) -> TokenCounts | None:
    try:
        counts = token_counts(version, model, budget)
    except UnavailableError:
        return None
    return counts if counts.counted else None


def _plan_by_settings(draft: Draft) -> JobPlan:
    version = draft.eval_dataset_version
    return plan_of_counts(
        draft.base_model,
        draft.lora,
        draft.training,
        draft.dataset_version.example_count,
        None if version is None else version.example_count,
    )


def _on_device(
    device: Device, draft: Draft, plan: JobPlan, learned: TokenFit, measured: TokenFit
) -> DeviceForecast:
    lora, training = draft.lora, draft.training
    # A step with dropout shares no prefix (engine.training.step).
    batch_tokens = learned.largest_batch(
        plan.effective_batch_size,
        plan.example_count,
        plan.total_steps,
        shares_prefix=lora.dropout == 0,
    )
    memory = memory_of(
        device.shape,
        lora,
        training,
        longest=max(learned.longest, measured.longest if plan.eval_example_count else 0),
        batch_tokens=batch_tokens,
        resident_bytes=device.resident_bytes,
        available_bytes=device.available_bytes,
        total_bytes=device.total_bytes,
        factor=device.memory_factor,
    )
    duration = duration_of(
        device.speed, memory.passes, plan, lora, training, learned, measured, draft.prompt_count
    )
    return DeviceForecast(device, duration, memory)
