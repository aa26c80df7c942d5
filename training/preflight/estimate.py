"""Steps, time and memory of a job before it starts, as they are stored with it."""

from __future__ import annotations

import logging
from typing import Any

from training.models import TrainingJob
from training.preflight.draft import Draft
from training.preflight.forecast import Forecast, Forecaster
from training.preflight.tokens import QUICK_CHARACTERS

logger = logging.getLogger(__name__)


def estimate_of(job: TrainingJob) -> dict[str, Any]:
    """What is stored with an unsaved job as its estimate; empty when nothing can be told. Never raises."""
    try:
        return stored_form(Forecaster(Draft.of(job), QUICK_CHARACTERS).forecast())
    except Exception:
        # A job is worth more than what is told of it.
        logger.exception("no estimate for a job of dataset version %s", job.dataset_version_id)
        return {}


def stored_form(forecast: Forecast) -> dict[str, Any]:
    """A forecast as JSON; duration_seconds and memory_bytes are null where nothing honest can be told."""
    slowest, seconds = forecast.slowest, forecast.duration_seconds
    tightest = forecast.tightest_device
    speed = forecast.tokens_per_second
    return {
        "steps": forecast.plan.total_steps,
        "duration_seconds": None if seconds is None else round(seconds, 1),
        "memory_bytes": forecast.memory_bytes,
        "tokens_per_second": None if speed is None else round(speed, 1),
        "worker": slowest.device.worker if slowest else "",
        "device_name": slowest.device.name if slowest else "",
        "verdict": forecast.verdict,
        "factor": round(slowest.device.factor, 3) if slowest else 1.0,
        "memory_device": tightest.device.name if tightest else "",
        "resident_bytes": tightest.device.resident_bytes if tightest else None,
        "memory_factor": round(tightest.device.memory_factor, 3) if tightest else 1.0,
    }
