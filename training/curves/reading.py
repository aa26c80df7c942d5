"""A job's metric points, read so that a long job costs no more than a short one to draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.db.models import Avg, Count, F, Max, Min

from training.curves.clock import Moment, TrainingClock
from training.models import TrainingJob

EXACT_POINTS = 1200
"""Up to so many points every one is read; of more, the database sums up equal stretches of steps."""
STRETCHES = 400
FIELDS = (
    "step",
    "epoch",
    "loss",
    "learning_rate",
    "eval_loss",
    "grad_norm",
    "tokens_per_second",
    "recorded_at",
)


class Row(NamedTuple):
    """One metric point."""

    step: int
    epoch: float
    loss: float | None
    learning_rate: float | None
    eval_loss: float | None
    grad_norm: float | None
    tokens_per_second: float | None
    recorded_at: datetime


class Stretch(NamedTuple):
    """Some steps that follow each other: where the last one is, the mean loss and its extremes; often just one step."""

    step: int
    epoch: float
    loss: float | None
    lowest: float | None
    highest: float | None
    learning_rate: float | None
    grad_norm: float | None
    tokens_per_second: float | None
    recorded_at: datetime


class HeldOut(NamedTuple):
    step: int
    epoch: float
    loss: float


@dataclass(frozen=True, slots=True)
class Measurements:
    """What a job measured, by step; is_exact when every stretch is one step."""

    stretches: Sequence[Stretch]
    held_out: Sequence[HeldOut]
    point_count: int
    is_exact: bool

    def clock(self, job: TrainingJob) -> TrainingClock:
        measured = {point.step for point in self.held_out}
        return TrainingClock(
            _moments(self.stretches, measured), job.training_started_at, resumed_step_of(job)
        )


def resumed_step_of(job: TrainingJob) -> int:
    """The step after which the newest attempt went on from a checkpoint; 0 when it began anew."""
    return int(job.plan.get("resumed_step", 0))


def _moments(stretches: Sequence[Stretch], measured: set[int]) -> list[Moment]:
    trained = [stretch for stretch in stretches if stretch.loss is not None]
    moments, before = [], 0
    for stretch in trained:
        steps = range(before + 1, stretch.step + 1)
        is_measured = not measured.isdisjoint(steps) if len(steps) > 1 else stretch.step in measured
        moments.append(Moment(stretch.step, stretch.recorded_at, is_measured))
        before = stretch.step
    return moments


def read_measurements(job: TrainingJob) -> Measurements:
    points = job.metric_points.order_by()
    extent = points.aggregate(count=Count("pk"), last=Max("step"))
    if extent["count"] <= EXACT_POINTS:
        return exact_measurements(read_rows(job))
    width = -(-extent["last"] // STRETCHES)
    summed = (
        # The untouched base model's point has no training in it, and step 1 begins the first stretch.
        points.filter(step__gt=0)
        .annotate(stretch=(F("step") - 1) / width)
        .values("stretch")
        .order_by("stretch")
        .values_list(
            Max("step"),
            Max("epoch"),
            Avg("loss"),
            Min("loss"),
            Max("loss"),
            Avg("learning_rate"),
            Max("grad_norm"),
            Avg("tokens_per_second"),
            Max("recorded_at"),
        )
    )
    held_out = points.filter(eval_loss__isnull=False).order_by("step")
    return Measurements(
        [Stretch(*values) for values in summed],
        [
            HeldOut(step, epoch, loss)
            for step, epoch, loss in held_out.values_list("step", "epoch", "eval_loss")
            if loss is not None
        ],
        extent["count"],
        is_exact=False,
    )


def exact_measurements(rows: Sequence[Row]) -> Measurements:
    """Measurements of which every stretch is one step."""
    stretches = [
        Stretch(
            row.step,
            row.epoch,
            row.loss,
            row.loss,
            row.loss,
            row.learning_rate,
            row.grad_norm,
            row.tokens_per_second,
            row.recorded_at,
        )
        for row in rows
    ]
    held_out = [
        HeldOut(row.step, row.epoch, row.eval_loss) for row in rows if row.eval_loss is not None
    ]
    return Measurements(stretches, held_out, len(rows), is_exact=True)


def read_rows(job: TrainingJob, steps: Sequence[int] | None = None) -> list[Row]:
    """Every point by step, or those of the given steps."""
    points = job.metric_points.order_by("step")
    if steps is not None:
        points = points.filter(step__in=steps)
    return [Row(*values) for values in points.values_list(*FIELDS)]


def count_losses_above(job: TrainingJob, limit: float) -> int:
    return job.metric_points.filter(loss__gt=limit).count()
