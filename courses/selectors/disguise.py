"""What students wrote is not for a screen that everybody sees: names of jobs and datasets, and their own words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from training.models import TrainingJob

HIDDEN = "…"
MARK_CHARACTERS = 6


def job_pseudonym(job: TrainingJob) -> str:
    """The same on every page, so that a class can talk about it."""
    return _("Job %(mark)s") % {"mark": job.pk.hex[:MARK_CHARACTERS]}


def disguised(job: TrainingJob) -> TrainingJob:
    """The job as a projected page reads it; one that is disguised must not be saved.

    Whatever is made of the job further down, such as labels of curves and sentences, is disguised with it.
    """
    job.name = job_pseudonym(job)
    job.prediction = job.explanation = job.notes = ""
    job.tags = []
    for version in (job.dataset_version, job.eval_dataset_version):
        if version is not None:
            version.dataset.name = HIDDEN
    return job


def disguised_result(stored: Mapping[str, Any]) -> dict[str, Any]:
    """The result of a check, without what a student calls a job or a dataset."""
    observed = stored["observed"]
    if "name" in observed:
        observed = observed | {"name": HIDDEN}
    return {**stored, "observed": observed}
