"""A job's curves as files: CSV for a spreadsheet, JSON for a program. Every point, with all its digits."""

from __future__ import annotations

import csv
import io
from typing import Any

from training.curves.reading import Row, exact_measurements, read_rows
from training.models import TrainingJob

BYTE_ORDER_MARK = "\ufeff"
"""Without it Excel reads UTF-8 as the country's old encoding."""
COLUMNS = (
    "step",
    "epoch",
    "training_seconds",
    "loss",
    "eval_loss",
    "learning_rate",
    "grad_norm",
    "tokens_per_second",
    "recorded_at",
)


def curve_points(job: TrainingJob) -> list[dict[str, Any]]:
    """Every metric point by step; step 0 is the untouched base model."""
    rows = read_rows(job)
    clock = exact_measurements(rows).clock(job)
    return [_point(row, clock.seconds_at(row.step)) for row in rows]


def _point(row: Row, seconds: float) -> dict[str, Any]:
    values = row._asdict() | {
        "training_seconds": round(seconds, 3),
        "recorded_at": row.recorded_at.isoformat(),
    }
    return {name: values[name] for name in COLUMNS}


def curves_as_csv(job: TrainingJob) -> bytes:
    """The points as a table. Its cells are numbers and moments only, so none of them can be a formula."""
    text = io.StringIO(newline="")
    text.write(BYTE_ORDER_MARK)
    table = csv.DictWriter(text, COLUMNS)
    table.writeheader()
    table.writerows(curve_points(job))
    return text.getvalue().encode()


def curves_as_data(job: TrainingJob) -> dict[str, Any]:
    """The points with what they belong to."""
    return {
        "job_id": str(job.pk),
        "name": job.name,
        "model_name": job.base_model.name,
        "status": job.status,
        "total_steps": job.total_steps,
        "baseline_loss": job.baseline_loss,
        "points": curve_points(job),
    }
