"""Celery entry points of datasets."""

from __future__ import annotations

from celery import shared_task


@shared_task(name="datasets_app.run_import")
def run_import(import_id: str) -> None:
    """Check a file that was too large to be checked while its sender waited."""
    from datasets_app.execution import run_import as run

    run(import_id)
