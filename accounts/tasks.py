"""Celery entry points of accounts."""

from __future__ import annotations

from celery import shared_task


@shared_task(name="accounts.run_data_request")
def run_data_request(request_id: str, language: str = "") -> None:
    """Somebody asked for their data, on pages in that language."""
    from accounts.privacy.running import run_request

    run_request(request_id, language)
