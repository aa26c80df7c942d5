"""What several jobs measured, read with as many queries as one job needs."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db.models import Avg, F, Max, Min

from training.curves.reading import HeldOut, Measurements, Stretch
from training.models import MetricPoint, TrainingJob

STRETCHES = 300
"""Points of one line; of a longer job the steps are summed up."""


def measurements_of(jobs: Sequence[TrainingJob]) -> dict[UUID, Measurements]:
    """By job; a job that measured nothing yet has empty measurements."""
    stretches: dict[UUID, list[Stretch]] = {job.pk: [] for job in jobs}
    for job_id, _stretch, *values in _summed(jobs):
        stretches[job_id].append(Stretch(*values))
    held_out: dict[UUID, list[HeldOut]] = {job.pk: [] for job in jobs}
    for job_id, *measured in _held_out(jobs):
        held_out[job_id].append(HeldOut(*measured))
    return {
        job.pk: Measurements(
            stretches[job.pk],
            held_out[job.pk],
            len(stretches[job.pk]),
            is_exact=job.current_step <= STRETCHES,
        )
        for job in jobs
    }


def _summed(jobs: Sequence[TrainingJob]) -> list[tuple]:
    return list(
        # The untouched base model's point has no training in it, and step 1 begins the first stretch.
        MetricPoint.objects.filter(
            job__in=jobs, step__gt=0, loss__isnull=False, job__current_step__gt=0
        )
        .annotate(stretch=(F("step") - 1) * STRETCHES / F("job__current_step"))
        .values("job_id", "stretch")
        .order_by("job_id", "stretch")
        .values_list(
            "job_id",
            "stretch",
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


def _held_out(jobs: Sequence[TrainingJob]) -> list[tuple]:
    return list(
        MetricPoint.objects.filter(job__in=jobs, eval_loss__isnull=False)
        .order_by("job_id", "step")
        .values_list("job_id", "step", "epoch", "eval_loss")
    )
