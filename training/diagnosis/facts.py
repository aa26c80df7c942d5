"""What a diagnosis knows of a job: its settings and its numbers, without a database."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from engine.config import LoraHyperparameters, TrainingHyperparameters, steps_per_epoch

FEW_POINTS = 4
"""Below this many points a curve has no shape."""
ENOUGH_POINTS = 24
"""From this many on a third of the curve has a mean that can be trusted."""


@dataclass(frozen=True, slots=True)
class JobFacts:
    """One job's numbers.

    Attributes:
        losses: training loss by step, as it was logged.
        held_out: held-out loss by step; step 0 is the untouched base model.
        grad_norms: before clipping, in the order of `losses`.
        label_token_count: learned tokens of one epoch.
        context_length: most tokens that the base model reads; 0 when not known.
        finish_reasons: how the adapter's last sample answers ended.
        failure: an error's code; empty for a job that did not fail.
    """

    lora: LoraHyperparameters
    training: TrainingHyperparameters
    losses: Sequence[tuple[int, float]] = ()
    held_out: Sequence[tuple[int, float]] = ()
    grad_norms: Sequence[float] = ()
    example_count: int = 0
    label_token_count: int = 0
    cut_answer_count: int = 0
    dropped_count: int = 0
    context_length: int = 0
    finish_reasons: Sequence[str] = ()
    failure: str = ""
    failure_params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def steps_in_epoch(self) -> int:
        return steps_per_epoch(self.example_count, self.training)

    @property
    def last_step(self) -> int:
        return self.losses[-1][0] if self.losses else 0

    @property
    def epochs(self) -> float:
        """Epochs that were trained."""
        return round(self.last_step / self.steps_in_epoch, 1)

    @property
    def answer_tokens(self) -> float:
        """Learned tokens of an average example."""
        return self.label_token_count / self.example_count if self.example_count else 0.0


class TrainingCurve:
    """The shape of the training loss.

    Args:
        points: at least one.
        points_in_epoch: a mean over a whole epoch is free of which examples a batch happened to hold.
    """

    def __init__(self, points: Sequence[tuple[int, float]], points_in_epoch: float) -> None:
        self.losses = [loss for _step, loss in points]
        self._count = len(self.losses)
        self._points_in_epoch = max(1, round(points_in_epoch))

    @property
    def has_shape(self) -> bool:
        return self._count >= FEW_POINTS

    @property
    def first(self) -> float:
        """The first point: nearly the untouched base model."""
        return self.losses[0]

    @cached_property
    def start(self) -> float:
        return statistics.fmean(self.losses[: max(1, min(3, self._count // 4))])

    @cached_property
    def end(self) -> float:
        return statistics.fmean(self.losses[-self._width :])

    @cached_property
    def lowest(self) -> float:
        """The lowest mean of as many points as `end` takes."""
        width = self._width
        return min(
            statistics.fmean(self.losses[index : index + width])
            for index in range(self._count - width + 1)
        )

    @property
    def peak(self) -> float:
        return max(self.losses)

    @cached_property
    def noise(self) -> float:
        """How far one point usually lies from its neighbours' trend (a standard deviation; outliers do not move it)."""
        if not self.has_shape:
            return 0.0
        steps = [
            later - earlier for earlier, later in zip(self.losses, self.losses[1:], strict=False)
        ]
        middle = statistics.median(steps)
        spread = statistics.median(abs(step - middle) for step in steps)
        return 1.4826 * spread / math.sqrt(2)

    @property
    def fall(self) -> float:
        """Share of the first loss that was learned away; negative when it rose."""
        return (self.start - self.end) / self.start if self.start > 0 else 0.0

    @property
    def is_fall_noise(self) -> bool:
        """Whether chance alone explains the difference between the two halves."""
        half = self._count // 2
        if not half:
            return True
        difference = statistics.fmean(self.losses[:half]) - statistics.fmean(self.losses[-half:])
        return difference < 2 * self.noise * math.sqrt(2 / half)

    @property
    def late_fall(self) -> float:
        """Share of the whole fall that came between the middle and the last third: what more steps would go on with."""
        third = self._count // 3
        if not third or self.start <= self.end:
            return 0.0
        middle = statistics.fmean(self.losses[-2 * third : -third])
        last = statistics.fmean(self.losses[-third:])
        # A short job has too few points to be sure of anything, and is most likely still on its way.
        certainty = 1.5 if self._count >= ENOUGH_POINTS else 0.5
        if middle - last < certainty * self.noise * math.sqrt(2 / third):
            return 0.0
        return (middle - last) / (self.start - last)

    @property
    def spikes(self) -> int:
        """Points that jump far above the five before them."""
        height = max(6 * self.noise, 0.25 * self.start)
        return sum(
            self.losses[index] > statistics.median(self.losses[max(0, index - 5) : index]) + height
            for index in range(1, self._count)
        )

    @property
    def _width(self) -> int:
        return max(1, min(self._count // 4, max(self._points_in_epoch, self._count // 10)))


class HeldOutCurve:
    """The shape of the held-out loss: the base model's, then at least one of the trained adapter."""

    def __init__(self, points: Sequence[tuple[int, float]]) -> None:
        self.baseline = points[0][1]
        self.trained = list(points[1:])
        self.last = self.trained[-1][1]
        self.best_step, self.best = min(points, key=lambda point: point[1])

    @property
    def gain(self) -> float:
        """Share of the base model's loss that the best adapter takes away."""
        return (self.baseline - self.best) / self.baseline if self.baseline > 0 else 0.0

    @property
    def rise(self) -> float:
        """Share by which the last loss lies above the best."""
        return (self.last - self.best) / self.best if self.best > 0 else 0.0

    @property
    def late_fall(self) -> float | None:
        """Share of the whole fall that came in the last third; None with too few measurements."""
        if len(self.trained) < 3:
            return None
        if self.baseline <= self.last:
            return 0.0
        earlier = self.trained[len(self.trained) * 2 // 3 - 1][1]
        return (earlier - self.last) / (self.baseline - self.last)


def training_curve(facts: JobFacts) -> TrainingCurve | None:
    if not facts.losses:
        return None
    per_point = facts.last_step / len(facts.losses)
    return TrainingCurve(facts.losses, facts.steps_in_epoch / max(1.0, per_point))


def held_out_curve(facts: JobFacts) -> HeldOutCurve | None:
    """None without held-out examples, or when only the base model was measured."""
    has_baseline = bool(facts.held_out) and facts.held_out[0][0] == 0
    return HeldOutCurve(facts.held_out) if has_baseline and len(facts.held_out) > 1 else None
