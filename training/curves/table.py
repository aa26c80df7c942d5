"""The curves as a short table, for those who can not see them."""

from __future__ import annotations

from dataclasses import dataclass

from training.curves.reading import Measurements, Row, read_rows
from training.models import TrainingJob

MAX_TABLE_ROWS = 60


@dataclass(frozen=True, slots=True)
class CurveTable:
    """Some points, the newest first, and how many there are in all."""

    rows: tuple[Row, ...]
    point_count: int
    has_held_out: bool
    baseline_loss: float | None


def curve_table(job: TrainingJob, measurements: Measurements) -> CurveTable:
    """Evenly spread points with every held-out measurement, unless these alone would be too many."""
    steps = _steps(measurements)
    rows = read_rows(job, steps) if steps else []
    return CurveTable(
        rows=tuple(reversed(rows)),
        point_count=measurements.point_count,
        has_held_out=bool(measurements.held_out),
        baseline_loss=job.baseline_loss,
    )


def _steps(measurements: Measurements) -> list[int]:
    every = [stretch.step for stretch in measurements.stretches]
    measured = [point.step for point in measurements.held_out]
    if len(measured) > MAX_TABLE_ROWS // 2:
        measured = [measured[0], measured[-1]]
    room = MAX_TABLE_ROWS - len(measured)
    return sorted({*_spread(every, room), *measured})


def _spread(steps: list[int], count: int) -> list[int]:
    if len(steps) <= count:
        return steps
    stride = (len(steps) - 1) / (count - 1)
    return [steps[round(index * stride)] for index in range(count)]
