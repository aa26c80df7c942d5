"""The x axis of a job's charts: steps, epochs or time, how far it reaches, and its words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.utils.translation import gettext as _

from training.curves.clock import TrainingClock
from training.curves.reading import Measurements
from training.curves.view import CurveView
from training.models import TrainingJob
from training.plotting.scales import nice_ticks, whole_ticks

LONGEST_IN_SECONDS = 180.0
LONGEST_IN_MINUTES = 10_800.0


@dataclass(frozen=True, slots=True)
class Axis:
    """place gives the x of a step and its epoch; end is where the axis reaches at least."""

    label: str
    place: Callable[[float, float], float]
    end: float
    ticks: Callable[[float], list[float]]


def x_axis(job: TrainingJob, measurements: Measurements, view: CurveView) -> Axis:
    """The axis that the view asks for.

    While a job runs it ends where the job will end; that of a job which ended early ends where it stopped.
    """
    match view.x:
        case "epoch":
            end = float(job.training.num_epochs) if job.is_active else 0.0
            return Axis(_("Epoch"), lambda _step, epoch: epoch, end, whole_ticks)
        case "time":
            return _time_axis(job, measurements.clock(job))
    end = float(job.total_steps) if job.is_active else 0.0
    return Axis(_("Step"), lambda step, _epoch: step, end, whole_ticks)


def _time_axis(job: TrainingJob, clock: TrainingClock) -> Axis:
    end = clock.seconds_at(job.total_steps) if job.is_active else clock.last_seconds
    label, unit = _("Seconds of training"), 1.0
    if end > LONGEST_IN_MINUTES:
        label, unit = _("Hours of training"), 3600.0
    elif end > LONGEST_IN_SECONDS:
        label, unit = _("Minutes of training"), 60.0
    return Axis(label, lambda step, _epoch: clock.seconds_at(step) / unit, end / unit, nice_ticks)
