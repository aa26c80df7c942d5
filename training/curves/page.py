"""The charts and the table of a job's page."""

from __future__ import annotations

from typing import Any

from training.curves.drawing import job_charts
from training.curves.reading import read_measurements
from training.curves.table import curve_table
from training.curves.view import CurveView
from training.models import TrainingJob


def curves_context(job: TrainingJob, view: CurveView) -> dict[str, Any]:
    measurements = read_measurements(job)
    context: dict[str, Any] = {"charts": job_charts(job, measurements, view)}
    if not view.is_projector:
        context["curve_table"] = curve_table(job, measurements)
    return context
