"""Completed jobs with the losses that a test wants, for comparisons and sweeps."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from accounts.models import User
from engine.config import LoraHyperparameters, TrainingHyperparameters
from training.models import MetricPoint, Sweep, TrainingJob
from training.tests.factories import make_completed_job


def training_config(**changes: Any) -> dict[str, Any]:
    return TrainingHyperparameters.from_mapping(changes).to_dict()


def lora_config(**changes: Any) -> dict[str, Any]:
    return LoraHyperparameters.from_mapping(changes).to_dict()


def measure(job: TrainingJob, held_out: dict[int, float]) -> None:
    """Held-out losses by step, as a worker writes them; step 0 is the base model."""
    for step, loss in held_out.items():
        MetricPoint.objects.update_or_create(
            job=job,
            step=step,
            defaults={"eval_loss": loss, "epoch": step / 15},
            create_defaults={
                "eval_loss": loss,
                "epoch": step / 15,
                "recorded_at": timezone.now(),
            },
        )


def make_measured_job(
    owner: User, held_out: dict[int, float], *, last_loss: float | None = None, **changes: Any
) -> TrainingJob:
    changes.setdefault("training_config", training_config(eval_fraction=0.25))
    job = make_completed_job(owner, **changes)
    measure(job, held_out)
    if last_loss is not None:
        job.metric_points.filter(step__gt=60).update(loss=last_loss)
    return job


def make_sweep(owner: User, axes: list[dict[str, Any]], jobs: list[TrainingJob]) -> Sweep:
    sweep = Sweep.objects.create(owner=owner, name="Garden rates", axes=axes)
    TrainingJob.objects.filter(pk__in=[job.pk for job in jobs]).update(sweep=sweep)
    return sweep
