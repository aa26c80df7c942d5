"""What the jobs of a sweep show together: how far they are, their results by value, and the best."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from training.comparing.results import (
    JobResult,
    best_of,
    measured_on_same_examples,
    results_of,
    trained_on_same_examples,
)
from training.comparing.selection import MAX_JOBS as MAX_COMPARED_JOBS
from training.comparing.selection import MIN_JOBS as MIN_COMPARED_JOBS
from training.models import Sweep, TrainingJob
from training.sweeping.axes import Axis, Combination, axes_of, combinations_of

Status = TrainingJob.Status
Metric = Literal["eval_loss", "training_loss"]

HEAT_LEVELS = 5


@dataclass(frozen=True, slots=True)
class SweepRow:
    """One combination of values and its job, which the person may have deleted.

    value is the result by which the jobs are compared: only a completed job has one. level tells how low it lies
    among the others, 1 the lowest to HEAT_LEVELS; 0 without a result.
    """

    axes: tuple[Axis, ...]
    combination: Combination
    result: JobResult | None
    value: float | None
    level: int
    is_best: bool

    @property
    def job(self) -> TrainingJob | None:
        return self.result.job if self.result else None

    @property
    def pairs(self) -> list[tuple[Axis, Any]]:
        """Each setting with its value."""
        return list(zip(self.axes, self.combination, strict=True))


@dataclass(frozen=True, slots=True)
class SweepBoard:
    """A sweep as its page shows it.

    metric is the loss by which the jobs are compared; is_fair tells whether it says the same thing for all of them.
    """

    sweep: Sweep
    axes: tuple[Axis, ...]
    rows: tuple[SweepRow, ...]
    metric: Metric
    is_fair: bool

    @property
    def jobs(self) -> list[TrainingJob]:
        return [row.job for row in self.rows if row.job is not None]

    @property
    def counts(self) -> dict[str, int]:
        """Jobs by status; every status is there."""
        found = Counter(str(job.status) for job in self.jobs)
        return {status.value: found[status.value] for status in Status}

    @property
    def deleted_count(self) -> int:
        return len(self.rows) - len(self.jobs)

    @property
    def is_active(self) -> bool:
        return any(job.is_active for job in self.jobs)

    @property
    def over_count(self) -> int:
        return sum(not job.is_active for job in self.jobs)

    @property
    def progress(self) -> float:
        """Share of all jobs' steps that are done, 0 to 1."""
        shares = [job.progress if job.is_active else 1.0 for job in self.jobs]
        return sum(shares) / len(shares) if shares else 0.0

    @property
    def best_rows(self) -> list[SweepRow]:
        return [row for row in self.rows if row.is_best]

    @property
    def is_tied(self) -> bool:
        """Whether several jobs have a result and none is better than another."""
        known = sum(row.value is not None for row in self.rows)
        return self.is_fair and known > 1 and not self.best_rows

    @property
    def has_held_out(self) -> bool:
        return any(row.result is not None and row.result.kept is not None for row in self.rows)

    def compared_jobs(self) -> list[TrainingJob]:
        """The jobs to see side by side: those with the best results first; none where too few have begun."""
        begun = [row for row in self.rows if row.job is not None and row.job.current_step]
        ranked = sorted(begun, key=lambda row: (row.value is None, row.value or 0.0))
        jobs = [row.job for row in ranked[:MAX_COMPARED_JOBS] if row.job is not None]
        return jobs if len(jobs) >= MIN_COMPARED_JOBS else []


def board_of(sweep: Sweep, jobs: Sequence[TrainingJob]) -> SweepBoard:
    axes = tuple(axes_of(sweep))
    results = results_of(jobs)
    by_values = {tuple(axis.value_of(result.job) for axis in axes): result for result in results}
    metric = _metric(results)
    is_fair = (
        measured_on_same_examples(jobs) if metric == "eval_loss" else trained_on_same_examples(jobs)
    )
    best = best_of(results, lambda result: _value(result, metric)) if is_fair else []
    known = [value for result in results if (value := _value(result, metric)) is not None]
    return SweepBoard(
        sweep=sweep,
        axes=axes,
        rows=tuple(
            _row(axes, combination, by_values.get(combination), metric, known, best)
            for combination in combinations_of(axes)
        ),
        metric=metric,
        is_fair=is_fair,
    )


def _metric(results: Sequence[JobResult]) -> Metric:
    """The held-out loss where every completed job has one, else the training loss."""
    completed = [result for result in results if result.job.status == Status.COMPLETED]
    considered = completed or results
    has_all = bool(considered) and all(result.kept is not None for result in considered)
    return "eval_loss" if has_all else "training_loss"


def _value(result: JobResult, metric: Metric) -> float | None:
    if result.job.status != Status.COMPLETED:
        return None
    return result.kept if metric == "eval_loss" else result.training_loss


def _row(
    axes: tuple[Axis, ...],
    combination: Combination,
    result: JobResult | None,
    metric: Metric,
    known: Sequence[float],
    best: Sequence[JobResult],
) -> SweepRow:
    value = None if result is None else _value(result, metric)
    return SweepRow(
        axes=axes,
        combination=combination,
        result=result,
        value=value,
        level=0 if value is None else _level(value, known),
        is_best=result in best,
    )


def _level(value: float, known: Sequence[float]) -> int:
    low, high = min(known), max(known)
    if high <= low:
        return 1
    return 1 + round((value - low) / (high - low) * (HEAT_LEVELS - 1))


def grid_of(board: SweepBoard) -> tuple[tuple[Any, tuple[SweepRow, ...]], ...]:
    """For two axes: each value of the first one with the jobs of every value of the second; else nothing."""
    if len(board.axes) != 2:
        return ()
    width = len(board.axes[1].values)
    return tuple(
        (value, board.rows[index * width : (index + 1) * width])
        for index, value in enumerate(board.axes[0].values)
    )
