"""Which examples a training job was measured on and did not learn: the fairest questions to put to it."""

from __future__ import annotations

from dataclasses import dataclass

from datasets_app.models import DatasetVersion
from engine.config import held_out_count
from training.models import TrainingJob


@dataclass(frozen=True, slots=True)
class HeldOut:
    """The held-out examples of a job.

    Attributes:
        numbers: their places in the version, from 0; None for all of it.
    """

    version: DatasetVersion
    numbers: frozenset[int] | None = None


def held_out_of(job: TrainingJob) -> HeldOut | None:
    """The held-out examples; None where there are none, or where nobody can say any more which they were."""
    if job.eval_dataset_version is not None:
        return HeldOut(job.eval_dataset_version)
    version = job.dataset_version
    count = held_out_count(version.example_count, job.training.eval_fraction)
    # Examples that were left out as too long moved the places of the others.
    is_known = job.plan.get("dropped_count") == 0 and job.plan.get("eval_example_count") == count
    if not count or not is_known:
        return None
    return HeldOut(version, _chosen(version.example_count, count, job.training.seed))


def _chosen(example_count: int, count: int, seed: int) -> frozenset[int]:
    """The engine's choice (engine.data.dataset.split), made again."""
    # Only this needs it here, and most processes never do.
    import numpy as np  # noqa: PLC0415

    order = np.random.default_rng(seed).permutation(example_count)
    return frozenset(int(place) for place in order[:count])
