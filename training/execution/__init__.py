"""A row becomes work of the engine, and the engine's words become rows. Runs in a worker's threads."""

from __future__ import annotations

from training.execution.folders import sweep_work_folders
from training.execution.orphans import sweep_artifacts
from training.execution.places import free_places, is_training
from training.execution.running import run_job, run_waiting_jobs

__all__ = [
    "free_places",
    "is_training",
    "run_job",
    "run_waiting_jobs",
    "sweep_artifacts",
    "sweep_work_folders",
]
