"""Celery entry points of training."""

from __future__ import annotations

from celery import shared_task


@shared_task(name="training.run_waiting_jobs")
def run_waiting_jobs(job_id: str) -> None:
    """There is work: job_id was queued. The queue decides which job is next."""
    from engine.crash_points import hit
    from modelhub.lifecycle import worker_name
    from training.execution import run_waiting_jobs as run

    hit("P3")
    run(worker_name())
