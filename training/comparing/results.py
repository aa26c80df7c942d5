"""What became of a job in few numbers, and whether the numbers of several jobs may be compared."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from django.db.models import Avg, F
from django.utils import timezone

from training.diagnosis.wording import title_of
from training.models import MetricPoint, TrainingJob

DECIMALS = 3
"""Losses are shown with so many: two that read the same are equally good."""

Entry = TypeVar("Entry")


@dataclass(frozen=True, slots=True)
class JobResult:
    """The losses of one job.

    Attributes:
        start: held-out loss of the untouched base model.
        best: lowest held-out loss of the adapter.
        final: newest held-out loss of the adapter.
        training_loss: mean over the last tenth of the steps: a single step's depends on its examples.
    """

    job: TrainingJob
    start: float | None
    best: float | None
    final: float | None
    training_loss: float | None

    @property
    def kept(self) -> float | None:
        """Held-out loss of the adapter that is kept."""
        return self.final if self.job.training.kept_adapter == "last" else self.best

    @property
    def gain(self) -> float | None:
        """By how much the kept adapter's held-out loss is below the base model's."""
        if self.start is None or self.kept is None:
            return None
        return self.start - self.kept

    @property
    def verdict(self) -> str:
        """What the diagnosis found, in a few words; empty before there is one."""
        return title_of(str(self.job.diagnosis.get("verdict", "")))

    @property
    def size_bytes(self) -> int | None:
        adapter = getattr(self.job, "adapter", None)
        return None if adapter is None else adapter.size_bytes

    @property
    def waited_seconds(self) -> float:
        """In the queue, also the wait that still goes on."""
        job = self.job
        if job.status != TrainingJob.Status.PENDING or job.queued_at is None:
            return job.waited_seconds
        return job.waited_seconds + max(0.0, (timezone.now() - job.queued_at).total_seconds())


def results_of(jobs: Sequence[TrainingJob]) -> list[JobResult]:
    """In the order of the jobs, with two queries for all of them."""
    held_out = _held_out_losses(jobs)
    training = _last_training_losses(jobs)
    return [_result(job, held_out.get(job.pk, []), training.get(job.pk)) for job in jobs]


def _result(
    job: TrainingJob, measured: list[tuple[int, float]], training_loss: float | None
) -> JobResult:
    of_base = [loss for step, loss in measured if step == 0]
    of_adapter = [loss for step, loss in measured if step > 0]
    return JobResult(
        job=job,
        start=of_base[0] if of_base else _finite(job.baseline_loss),
        best=min(of_adapter, default=None),
        final=of_adapter[-1] if of_adapter else None,
        training_loss=_finite(job.loss if training_loss is None else training_loss),
    )


def _held_out_losses(jobs: Sequence[TrainingJob]) -> dict[UUID, list[tuple[int, float]]]:
    losses: dict[UUID, list[tuple[int, float]]] = {}
    points = MetricPoint.objects.filter(job__in=jobs, eval_loss__isnull=False).order_by("step")
    for job_id, step, loss in points.values_list("job_id", "step", "eval_loss"):
        if loss is not None and math.isfinite(loss):
            losses.setdefault(job_id, []).append((step, loss))
    return losses


def _last_training_losses(jobs: Sequence[TrainingJob]) -> dict[UUID, float]:
    points = MetricPoint.objects.filter(
        job__in=jobs, loss__isnull=False, step__gt=F("job__current_step") * 9 / 10
    )
    means = points.order_by().values("job_id").annotate(mean=Avg("loss"))
    return dict(means.values_list("job_id", "mean"))


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def measured_on_same_examples(jobs: Iterable[TrainingJob]) -> bool:
    """Whether the held-out losses say the same thing, of the jobs that hold something out."""
    return len({_held_out_source(job) for job in jobs if has_held_out(job)}) <= 1


def has_held_out(job: TrainingJob) -> bool:
    return job.eval_dataset_version_id is not None or job.training.eval_fraction > 0


def trained_on_same_examples(jobs: Iterable[TrainingJob]) -> bool:
    """Whether the training losses of the jobs say the same thing."""
    return len({_text_source(job, job.dataset_version_id) for job in jobs}) <= 1


def _held_out_source(job: TrainingJob) -> tuple[object, ...]:
    if job.eval_dataset_version_id is not None:
        return _text_source(job, job.eval_dataset_version_id)
    training = job.training
    # The seed draws the share that is held out.
    return (
        *_text_source(job, job.dataset_version_id),
        training.eval_fraction,
        training.seed,
    )


def _text_source(job: TrainingJob, version_id: UUID) -> tuple[object, ...]:
    """Base models cut text into tokens differently; what is too long is cut or left out by the settings."""
    return (version_id, job.base_model_id, job.training.max_length, job.training.overlong)


def best_of(
    entries: Sequence[Entry], value_of: Callable[[Entry], float | None], *, is_highest: bool = False
) -> list[Entry]:
    """The entries with the best value; none where all are equally good, or only one has a value."""
    values = [(entry, value) for entry in entries if (value := value_of(entry)) is not None]
    rounded = {round(value, DECIMALS) for _entry, value in values}
    if len(rounded) < 2:
        return []
    best = max(rounded) if is_highest else min(rounded)
    return [entry for entry, value in values if round(value, DECIMALS) == best]
