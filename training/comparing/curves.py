"""The curves of several jobs over one another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from common.sentences import joined
from training.charts import Point, nice_ticks, smooth, whole_ticks
from training.comparing.plots import LineOrder, Plot, build_plot
from training.curves.axes import LONGEST_IN_MINUTES, LONGEST_IN_SECONDS
from training.curves.clock import TrainingClock
from training.curves.reading import Measurements
from training.models import TrainingJob

X_AXES = ("step", "epoch", "time")


@dataclass(frozen=True, slots=True)
class CommonAxis:
    """One x axis for all jobs: place gives where a step and its epoch of a job lie."""

    label: str
    place: Callable[[UUID, float, float], float]
    end: float
    ticks: Callable[[float], list[float]]


def comparison_plots(
    jobs: Sequence[TrainingJob],
    labels: Sequence[str],
    measurements: Mapping[UUID, Measurements],
    x: str,
    *,
    behind: Sequence[TrainingJob] = (),
) -> list[Plot]:
    """The training losses, and the held-out losses where there are any.

    Args:
        behind: jobs whose curves are drawn thin and alike, below the others; they have measurements too.
    """
    axis = _common_axis([*jobs, *behind], measurements, x)
    training = [
        _line(label, number, _training_points(job, measurements[job.pk], axis))
        for number, (job, label) in enumerate(zip(jobs, labels, strict=True))
    ]
    held_out = [
        _line(label, number, _held_out_points(job, measurements[job.pk], axis))
        for number, (job, label) in enumerate(zip(jobs, labels, strict=True))
    ]
    plots = [
        _plot(
            "compared-training",
            _("Training loss, smoothed"),
            training,
            axis,
            [_training_points(job, measurements[job.pk], axis) for job in behind],
        ),
        _plot(
            "compared-held-out",
            _("Held-out loss"),
            held_out,
            axis,
            [_held_out_points(job, measurements[job.pk], axis) for job in behind],
        ),
    ]
    return [plot for plot in plots if not plot.is_empty]


def _line(label: str, number: int, points: list[Point]) -> LineOrder:
    return LineOrder(label, number, [points] if points else [])


def _plot(
    name: str,
    title: str,
    lines: list[LineOrder],
    axis: CommonAxis,
    behind: list[list[Point]],
) -> Plot:
    others = [[loss for _x, loss in points] for points in behind if points]
    return build_plot(
        name=name,
        title=title,
        description=joined([*_descriptions(lines), *_of_others(others)]),
        x_label=axis.label,
        lines=lines,
        x_end=axis.end,
        x_ticks=axis.ticks,
        background=behind,
    )


def _of_others(losses: Sequence[Sequence[float]]) -> Iterator[str]:
    if losses:
        ends = [line[-1] for line in losses]
        yield ngettext(
            "Drawn thin: %(count)d job, which ends at %(low).3f.",
            "Drawn thin: %(count)d jobs, which end between %(low).3f and %(high).3f.",
            len(losses),
        ) % {"count": len(losses), "low": min(ends), "high": max(ends)}


def _descriptions(lines: Sequence[LineOrder]) -> Iterator[str]:
    for line in lines:
        losses = [loss for _x, loss in line.points]
        if losses:
            yield _("%(job)s: first %(first).3f, last %(last).3f, lowest %(lowest).3f.") % {
                "job": line.label,
                "first": losses[0],
                "last": losses[-1],
                "lowest": min(losses),
            }
        else:
            yield _("%(job)s: nothing measured.") % {"job": line.label}


def _training_points(job: TrainingJob, measurements: Measurements, axis: CommonAxis) -> list[Point]:
    raw = [
        (axis.place(job.pk, stretch.step, stretch.epoch), stretch.loss)
        for stretch in measurements.stretches
        if stretch.loss is not None
    ]
    return smooth(raw) or raw


def _held_out_points(job: TrainingJob, measurements: Measurements, axis: CommonAxis) -> list[Point]:
    return [
        (axis.place(job.pk, point.step, point.epoch), point.loss) for point in measurements.held_out
    ]


def _common_axis(
    jobs: Sequence[TrainingJob], measurements: Mapping[UUID, Measurements], x: str
) -> CommonAxis:
    active = [job for job in jobs if job.is_active]
    if x == "epoch":
        end = max((float(job.training.num_epochs) for job in active), default=0.0)
        return CommonAxis(_("Epoch"), lambda _job, _step, epoch: epoch, end, whole_ticks)
    if x == "time":
        return _time_axis({job.pk: measurements[job.pk].clock(job) for job in jobs})
    end = max((float(job.total_steps) for job in active), default=0.0)
    return CommonAxis(_("Step"), lambda _job, step, _epoch: step, end, whole_ticks)


def _time_axis(clocks: Mapping[UUID, TrainingClock]) -> CommonAxis:
    """In one unit for all jobs: that of the longest."""
    end = max(clock.last_seconds for clock in clocks.values())
    label, unit = _("Seconds of training"), 1.0
    if end > LONGEST_IN_MINUTES:
        label, unit = _("Hours of training"), 3600.0
    elif end > LONGEST_IN_SECONDS:
        label, unit = _("Minutes of training"), 60.0
    return CommonAxis(
        label,
        lambda job_id, step, _epoch: clocks[job_id].seconds_at(step) / unit,
        end / unit,
        nice_ticks,
    )
