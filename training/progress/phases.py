"""A job's phases in their order, and which of them it is in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from training.models import TrainingJob
from training.progress.remaining import measuring_interval

Stage = TrainingJob.Stage
State = Literal["done", "current", "started", "ended", "open"]


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase; "started" stands aside for another one, "ended" is where the job ended without a result."""

    label: str
    state: State


def job_phases(job: TrainingJob) -> list[Phase]:
    """The phases that this job goes through; those of measuring only when it measures."""
    stages = [Stage.QUEUED, Stage.PREPARING, Stage.TRAINING, Stage.SAVING]
    # Before the plan is known the settings tell whether the job will measure.
    if measuring_interval(job):
        stages = [*stages[:2], Stage.BASELINE, Stage.TRAINING, Stage.EVALUATING, Stage.SAVING]
    reached = _reached(job)
    position = stages.index(reached) if reached in stages else stages.index(Stage.TRAINING)
    return [
        Phase(str(stage.label), _state(job, stage, index - position))
        for index, stage in enumerate(stages)
    ]


def _reached(job: TrainingJob) -> TrainingJob.Stage:
    """The phase that the job is or was in last, also where a request stands in place of its stage."""
    if job.status == TrainingJob.Status.PENDING:
        return Stage.QUEUED
    if job.status == TrainingJob.Status.COMPLETED:
        return Stage.SAVING
    if job.is_active and job.stage not in (Stage.CANCELLING, Stage.STOPPING):
        return Stage(job.stage)
    if job.training_started_at is not None or job.current_step:
        return Stage.TRAINING
    return Stage.QUEUED if job.started_at is None else Stage.PREPARING


def _state(job: TrainingJob, stage: TrainingJob.Stage, distance: int) -> State:
    """The state of a phase so many places behind (above 0) the one that the job has reached."""
    if job.status == TrainingJob.Status.COMPLETED:
        return "done"
    if distance == 0:
        return "current" if job.is_active else "ended"
    if distance > 0:
        return "open"
    # The evaluations lie between the steps: the training is not over when one begins.
    is_between = stage is Stage.TRAINING and job.stage == Stage.EVALUATING
    return "started" if is_between and job.current_step < job.total_steps else "done"
