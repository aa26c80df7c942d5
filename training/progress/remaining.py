"""How long a job will still take, by what it has measured itself."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from datetime import datetime

from django.db.models import Q
from django.utils import timezone

from training.curves.clock import Moment, median_pace
from training.models import TrainingJob

MIN_POINTS_FOR_ESTIMATE = 4
"""The first steps are slower than the rest; before this many there is no honest estimate."""
RECENT_POINTS = 30
RECENT_PAUSES = 3
MOVING_STAGES = (TrainingJob.Stage.TRAINING, TrainingJob.Stage.EVALUATING)


def remaining_seconds(job: TrainingJob) -> float | None:
    """Time to the last step, with the evaluations and sample answers on the way; None until enough steps flowed.

    The pace is the median of the recent steps, an evaluation costs what this job's last ones cost.
    """
    if (
        job.status != TrainingJob.Status.RUNNING
        or job.stage not in MOVING_STAGES
        or not job.total_steps
    ):
        return None
    resumed_step = int(job.plan.get("resumed_step", 0))
    # The steps that a resumed job tells again come at once and say nothing of its pace.
    recent = _moments(job, Q(step__gt=resumed_step), newest=RECENT_POINTS)
    if len(recent) < MIN_POINTS_FOR_ESTIMATE:
        return None
    last = recent[-1]
    interval = measuring_interval(job)
    measures = _measures_left(job, last.step, interval)
    pace = median_pace(recent)
    pause = 0.0
    if not pace:
        # A job that is measured after every step.
        pace = statistics.median(_paces(recent))
    elif measures:
        pause = _pause_seconds(job, interval, last.step, resumed_step, pace)
    since = (timezone.now() - last.at).total_seconds()
    return max(0.0, pace * (job.total_steps - last.step) + pause * measures - since)


def measuring_interval(job: TrainingJob) -> int:
    """Every how many steps the job measures or answers; 0 when it never does."""
    training = job.training
    is_held_out = job.eval_dataset_version_id is not None or training.eval_fraction > 0
    if not is_held_out and not job.sample_prompts:
        return 0
    return training.eval_steps or max(1, round(job.total_steps / training.num_epochs))


def _measures_left(job: TrainingJob, step: int, interval: int) -> int:
    if not interval:
        return 0
    last_is_extra = job.total_steps % interval != 0
    left = job.total_steps // interval - step // interval + last_is_extra
    is_measuring = job.stage == TrainingJob.Stage.EVALUATING
    return left + (1 if is_measuring else 0)


def _moments(job: TrainingJob, condition: Q, *, newest: int | None = None) -> list[Moment]:
    rows = (
        job.metric_points.filter(condition, loss__isnull=False)
        .order_by("-step")
        .values_list("step", "recorded_at", "eval_loss")
    )
    return [Moment(step, at, loss is not None) for step, at, loss in reversed(rows[:newest])]


def _paces(moments: Sequence[Moment]) -> list[float]:
    return [
        (later.at - earlier.at).total_seconds() / (later.step - earlier.step)
        for earlier, later in zip(moments, moments[1:], strict=False)
    ]


def _pause_seconds(
    job: TrainingJob, interval: int, last_step: int, resumed_step: int, pace: float
) -> float:
    """What one evaluation with its sample answers costs: the last ones, else the measurement before training."""
    newest = last_step // interval * interval
    steps = [
        step
        for step in range(newest, max(0, newest - RECENT_PAUSES * interval), -interval)
        if resumed_step < step < last_step
    ]
    if not steps:
        return _baseline_seconds(job)
    reach = job.training.logging_steps
    around = Q()
    for step in steps:
        around |= Q(step__gte=max(step - reach, resumed_step + 1), step__lte=step + reach)
    moments = _moments(job, around)
    pauses = [pause for step in steps if (pause := _pause(moments, step, pace)) is not None]
    return max(0.0, statistics.median(pauses)) if pauses else _baseline_seconds(job)


def _pause(moments: Sequence[Moment], step: int, pace: float) -> float | None:
    before = max((moment for moment in moments if moment.step < step), default=None)
    after = min((moment for moment in moments if moment.step > step), default=None)
    if before is None or after is None:
        return None
    return (after.at - before.at).total_seconds() - pace * (after.step - before.step)


def _baseline_seconds(job: TrainingJob) -> float:
    """How long the untouched base model was measured, which is the same work."""
    begun = _first_entry(job, TrainingJob.Stage.BASELINE)
    ended = _first_entry(job, TrainingJob.Stage.TRAINING)
    return 0.0 if begun is None or ended is None else max(0.0, (ended - begun).total_seconds())


def _first_entry(job: TrainingJob, stage: TrainingJob.Stage) -> datetime | None:
    entries = job.events.filter(type="stage", payload__stage=stage.value).order_by("seq")
    return entries.values_list("created_at", flat=True).first()
