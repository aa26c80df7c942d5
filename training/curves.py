"""What a job's curves show: its metric points as charts and as a short table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from training.charts import Chart, Point, Series, build_chart, plain_number, smooth
from training.models import MetricPoint, TrainingJob

MAX_TABLE_ROWS = 60


@dataclass(frozen=True, slots=True)
class Curves:
    """The charts of a job, the points behind them, and how many points there are in all."""

    charts: tuple[Chart, ...]
    rows: tuple[MetricPoint, ...]
    has_held_out: bool
    point_count: int


def job_curves(job: TrainingJob, points: Sequence[MetricPoint]) -> Curves:
    # While it runs the axis ends at the last step to come; a job that ended early ends where it stopped.
    x_end = float(job.total_steps) if job.is_active else 0.0
    charts = (_loss_chart(points, x_end), _learning_rate_chart(points, x_end))
    return Curves(
        charts=tuple(chart for chart in charts if not chart.is_empty),
        rows=tuple(_rows(points)),
        has_held_out=any(point.eval_loss is not None for point in points),
        point_count=len(points),
    )


def _loss_chart(points: Sequence[MetricPoint], x_end: float) -> Chart:
    raw: list[Point] = [(point.step, point.loss) for point in points if point.loss is not None]
    held_out: list[Point] = [
        (point.step, point.eval_loss) for point in points if point.eval_loss is not None
    ]
    smoothed = smooth(raw)
    series = [Series(_("Each step"), "raw", raw), Series(_("Smoothed"), "main", smoothed)]
    if not smoothed:
        series = [Series(_("Each step"), "main", raw)]
    if held_out:
        series.append(Series(_("Held-out examples"), "held-out", held_out, has_markers=True))
    return build_chart(
        name="loss",
        title=_("Loss"),
        description=_describe_loss(raw),
        x_label=_("Step"),
        series=series,
        x_end=x_end,
    )


def _describe_loss(raw: list[Point]) -> str:
    if not raw:
        return ""
    (first_step, first), (last_step, last) = raw[0], raw[-1]
    return ngettext(
        "Loss of %(count)d step: %(first).3f at step %(first_step)d, %(last).3f at step %(last_step)d, "
        "lowest %(lowest).3f.",
        "Loss of %(count)d steps: %(first).3f at step %(first_step)d, %(last).3f at step %(last_step)d, "
        "lowest %(lowest).3f.",
        len(raw),
    ) % {
        "count": len(raw),
        "first": first,
        "first_step": first_step,
        "last": last,
        "last_step": last_step,
        "lowest": min(loss for _step, loss in raw),
    }


def _learning_rate_chart(points: Sequence[MetricPoint], x_end: float) -> Chart:
    rates: list[Point] = [
        (point.step, point.learning_rate) for point in points if point.learning_rate is not None
    ]
    description = ""
    if rates:
        description = _("Learning rate: highest %(highest)s, %(last)s at step %(step)d.") % {
            "highest": plain_number(max(rate for _step, rate in rates)),
            "last": plain_number(rates[-1][1]),
            "step": rates[-1][0],
        }
    return build_chart(
        name="learning-rate",
        title=_("Learning rate"),
        description=description,
        x_label=_("Step"),
        series=[Series(_("Learning rate"), "rate", rates)],
        x_end=x_end,
    )


def _rows(points: Sequence[MetricPoint]) -> list[MetricPoint]:
    """Evenly spread points, the newest first; every held-out measurement would be too many for a long job."""
    if len(points) <= MAX_TABLE_ROWS:
        return list(reversed(points))
    stride = (len(points) - 1) / (MAX_TABLE_ROWS - 1)
    return [points[round(index * stride)] for index in reversed(range(MAX_TABLE_ROWS))]
