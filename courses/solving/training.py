"""Datasets, jobs and sweeps, by the services behind the forms; pages that have to be seen are opened."""

from __future__ import annotations

from typing import Any

from django.urls import reverse

from courses.catalogue.schema import Check
from courses.solving.student import ReferenceStudent, UnsolvableError, wait
from courses.starter import starter_records
from datasets_app.services.creating import create_dataset
from engine.presets import (
    DEFAULT_LORA_PRESET,
    DEFAULT_TRAINING_PRESET,
    LORA_PRESETS,
    TRAINING_PRESETS,
)
from training.models import TrainingJob
from training.services.creating import create_training_job
from training.services.ordering import JobOrder
from training.services.organising import Changes, organise
from training.services.sweeping import SweepOrder, create_sweep
from training.sweeping.axes import AxisOrder

GUESS = "The held-out loss will fall by about a quarter and then rise a little."
EXPLANATION = (
    "The held-out loss fell while the model learned the manner of the answers, then stayed."
)


def prepare_dataset(student: ReferenceStudent, check: Check) -> None:
    """The starter set and the reference student's own examples."""
    examples = student.solution.examples
    own = examples.ja if student.language == "ja" else examples.en
    records = starter_records(student.level, "train", student.language)
    records += [pair.model_dump() for pair in own]
    name = f"{student.enrolment.course.slug} {student.language}"
    student.dataset = create_dataset(student.enrolment.user, name=name, records=records)


def train(student: ReferenceStudent, check: Check) -> None:
    """All jobs of the step, at the first of its checks that needs them."""
    if student.step.key in student.trained:
        return
    student.trained.add(student.step.key)
    for number, settings in enumerate(student.solution.of(student.step.key).jobs, start=1):
        order = _order(student, f"{student.step.key} {number}", settings)
        _watch(student, create_training_job(student.enrolment.user, order))


def compare_jobs(student: ReferenceStudent, check: Check) -> None:
    query = "&".join(f"job={job.pk}" for job in student.jobs[-2:])
    student.browser().get(f"{reverse('training:compare')}?{query}")


def sweep(student: ReferenceStudent, check: Check) -> None:
    values = student.solution.of(student.step.key).sweep
    axes = [AxisOrder(name, tried) for name, tried in values.items()]
    order = SweepOrder(student.step.key, student.newest_job.pk, axes)
    for job in create_sweep(student.enrolment.user, order).jobs.order_by("created_at"):
        _watch(student, job)


def explain(student: ReferenceStudent, check: Check) -> None:
    organise(student.newest_job, Changes(explanation=EXPLANATION))


def _order(student: ReferenceStudent, name: str, settings: dict[str, Any]) -> JobOrder:
    lora = next(preset for preset in LORA_PRESETS if preset.name == DEFAULT_LORA_PRESET)
    training = next(preset for preset in TRAINING_PRESETS if preset.name == DEFAULT_TRAINING_PRESET)
    configs: dict[str, dict[str, Any]] = {
        "lora_config": lora.settings.to_dict(),
        "training_config": training.settings.to_dict() | {"seed": student.seed},
    }
    for full_name, value in (student.solution.settings | settings).items():
        group, _separator, setting = full_name.partition(".")
        configs[group][setting] = value
    configs["training_config"]["learning_rate"] *= student.rate_factor
    return JobOrder(
        name=name,
        base_model_name=student.base_model,
        dataset_id=student.own_dataset.pk,
        lora_config=configs["lora_config"],
        training_config=configs["training_config"],
        prediction=GUESS,
    )


def _watch(student: ReferenceStudent, job: TrainingJob) -> None:
    """Wait for a job, and look at it once while it runs."""
    browser = student.browser()
    is_seen = False

    def is_over() -> bool:
        nonlocal is_seen
        job.refresh_from_db()
        if job.status == TrainingJob.Status.RUNNING and not is_seen:
            browser.get(reverse("training:job_live", args=[job.pk]))
            is_seen = True
        return not job.is_active

    wait(is_over)
    if job.status != TrainingJob.Status.COMPLETED:
        raise UnsolvableError(f"the job {job.name} ended as {job.status}: {job.error_code}")
    student.jobs.append(job)
