"""A job's charts: loss, learning rate, gradient norm, tokens per second."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from training.charts import Chart, Mark, Point, Reference, Series, build_chart, smooth
from training.curves.axes import Axis, x_axis
from training.curves.reading import HeldOut, Measurements, Stretch, count_losses_above
from training.curves.view import CurveView
from training.curves.wording import (
    describe_gradients,
    describe_loss,
    describe_rates,
    describe_speed,
    outlier_note,
)
from training.models import TrainingJob
from training.plotting.scales import outlier_limit

LOG_SPREAD = 100.0
"""Gradients that differ by more than this can only be read on a logarithmic scale."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """What every chart of a job is drawn from."""

    job: TrainingJob
    measurements: Measurements
    view: CurveView
    axis: Axis

    def points(self, name: str) -> list[Point]:
        """The measured values of a field, in order."""
        return [
            (self.axis.place(stretch.step, stretch.epoch), value)
            for stretch in self.measurements.stretches
            if (value := getattr(stretch, name)) is not None
        ]


def job_charts(
    job: TrainingJob, measurements: Measurements, view: CurveView | None = None
) -> tuple[Chart, ...]:
    """Every chart that has something to show."""
    view = view or CurveView()
    sheet = Sheet(job, measurements, view, x_axis(job, measurements, view))
    charts = [loss_chart(sheet)]
    if not view.is_projector:
        charts += [_rate_chart(sheet), _gradient_chart(sheet), _speed_chart(sheet)]
    return tuple(chart for chart in charts if not chart.is_empty)


def loss_chart(sheet: Sheet) -> Chart:
    measurements, axis = sheet.measurements, sheet.axis
    means = sheet.points("loss")
    held_out: list[Point] = [
        (axis.place(point.step, point.epoch), point.loss) for point in measurements.held_out
    ]
    baseline = sheet.job.baseline_loss
    is_log = sheet.view.y == "log"
    raw = _raw_line(sheet)
    limit = outlier_limit(
        [loss for _x, loss in raw] + [loss for _x, loss in held_out], baseline or 0.0
    )
    smoothed = smooth([(x, loss) for x, loss in means if limit is None or loss <= limit])
    if is_log:
        # A logarithmic axis has room for every value.
        limit = None
    series = [Series(_("Each step"), "raw", raw), Series(_("Smoothed"), "main", smoothed)]
    if not smoothed:
        series = [Series(_("Each step"), "main", raw)]
    if held_out:
        series.append(Series(_("Held-out examples"), "held-out", held_out, has_markers=True))
    return build_chart(
        name="loss",
        title=_("Loss"),
        description=describe_loss(sheet.job, measurements),
        x_label=axis.label,
        series=series,
        x_end=axis.end,
        x_ticks=axis.ticks,
        y_label=_("Height: logarithmic") if is_log else "",
        is_log=is_log,
        limit=limit,
        references=_baseline(baseline),
        marks=list(_best_mark(measurements.held_out, axis)),
        notes=[] if limit is None else [_outlier_note(sheet, limit)],
    )


def _raw_line(sheet: Sheet) -> list[Point]:
    """Each step's loss; where steps are summed up, each stretch's lowest and highest, so that no spike is lost."""
    if sheet.measurements.is_exact:
        return sheet.points("loss")
    return [
        (sheet.axis.place(stretch.step, stretch.epoch), value)
        for stretch in sheet.measurements.stretches
        for value in _extremes(stretch)
    ]


def _extremes(stretch: Stretch) -> Iterator[float]:
    for value in (stretch.lowest, stretch.highest):
        if value is not None:
            yield value


def _baseline(loss: float | None) -> list[Reference]:
    return [] if loss is None else [Reference(_("Untouched base model"), "baseline", loss)]


def best_held_out(held_out: Sequence[HeldOut]) -> HeldOut | None:
    """The lowest held-out loss of the adapter, the first where several are equal."""
    trained = [point for point in held_out if point.step > 0]
    return min(trained, key=lambda point: point.loss, default=None)


def _best_mark(held_out: Sequence[HeldOut], axis: Axis) -> Iterator[Mark]:
    best = best_held_out(held_out)
    if best is not None:
        yield Mark(
            _("Best: step %(step)d") % {"step": best.step},
            "best",
            (axis.place(best.step, best.epoch), best.loss),
        )


def _outlier_note(sheet: Sheet, limit: float) -> str:
    losses = [stretch.highest for stretch in sheet.measurements.stretches if stretch.highest]
    held_out = sum(point.loss > limit for point in sheet.measurements.held_out)
    if sheet.measurements.is_exact:
        count = sum(loss > limit for loss in losses)
    else:
        count = count_losses_above(sheet.job, limit)
    highest = max([*losses, *(point.loss for point in sheet.measurements.held_out)])
    return outlier_note(count + held_out, limit, highest)


def _rate_chart(sheet: Sheet) -> Chart:
    rates = sheet.points("learning_rate")
    return build_chart(
        name="learning-rate",
        title=_("Learning rate"),
        description=describe_rates(sheet.measurements),
        x_label=sheet.axis.label,
        series=[Series(_("Learning rate"), "rate", rates)],
        x_end=sheet.axis.end,
        x_ticks=sheet.axis.ticks,
    )


def _gradient_chart(sheet: Sheet) -> Chart:
    norms = sheet.points("grad_norm")
    heights = [norm for _x, norm in norms if norm > 0]
    is_log = bool(heights) and max(heights) > LOG_SPREAD * min(heights)
    return build_chart(
        name="grad-norm",
        title=_("Gradient norm"),
        description=describe_gradients(sheet.measurements),
        x_label=sheet.axis.label,
        series=[Series(_("Gradient norm"), "gradient", norms)],
        x_end=sheet.axis.end,
        x_ticks=sheet.axis.ticks,
        y_label=_("Height: logarithmic") if is_log else "",
        is_log=is_log,
    )


def _speed_chart(sheet: Sheet) -> Chart:
    speeds = sheet.points("tokens_per_second")
    limit = outlier_limit([speed for _x, speed in speeds])
    return build_chart(
        name="speed",
        title=_("Tokens per second"),
        description=describe_speed(sheet.measurements),
        x_label=sheet.axis.label,
        series=[Series(_("Tokens per second"), "speed", speeds)],
        x_end=sheet.axis.end,
        x_ticks=sheet.axis.ticks,
        limit=limit,
    )
