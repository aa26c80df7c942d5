"""Have the engine measured while it has nothing else to do, and keep what it found with the worker."""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from engine.client import EngineClient
from engine.errors import EngineDiedError
from engine.protocol import BaseModelRef
from modelhub.models import BaseModel, Worker
from modelhub.selectors import find_base_model_ref
from training.models import TrainingJob
from training.preflight.devices import BUSY_SHARE

logger = logging.getLogger(__name__)

GOOD_FOR = timedelta(days=7)
DISTURBED_GOOD_FOR = timedelta(minutes=15)
"""What was measured beside other busy programs is better than nothing, until it can be measured again."""

_lock = threading.Lock()


def calibrate(client: EngineClient, worker_name: str) -> bool:
    """Measure one base model, when one is due and nobody waits for the device.

    Returns at once when there is nothing to do, so that a worker may ask in each of its rounds. A measurement takes
    some seconds and gives way to any job or chat. From any thread; two at once do one.

    Returns:
        Whether something was measured and kept.
    """
    if not _lock.acquire(blocking=False):
        return False
    try:
        worker = Worker.objects.filter(name=worker_name).first()
        if worker is None or client.ready is None or TrainingJob.objects.active().exists():
            return False
        ref = _due(worker, client.ready)
        return ref is not None and _measure(client, worker_name, ref)
    finally:
        _lock.release()


def _due(worker: Worker, ready: dict[str, Any]) -> BaseModelRef | None:
    """The first base model without a good measurement: the one that is preloaded, then those that are trained."""
    base_models = list(BaseModel.objects.filter(is_enabled=True))
    refs = [(base_model, find_base_model_ref(base_model)) for base_model in base_models]
    there = [(base_model, ref) for base_model, ref in refs if ref is not None]
    for index, (base_model, ref) in enumerate(there):
        if _is_good(worker.calibration.get(ref.digest), ready):
            continue
        if index == 0 or TrainingJob.objects.filter(base_model=base_model).exists():
            return ref
    return None


def _is_good(calibration: dict[str, Any] | None, ready: dict[str, Any]) -> bool:
    if calibration is None:
        return False
    same = ("version", "device", "device_name")
    found = {"version": settings.VERSION, **ready}
    if any(calibration.get(name) != found[name] for name in same):
        return False
    age = timezone.now() - datetime.fromisoformat(calibration["measured_at"])
    is_disturbed = calibration["other_load"] > BUSY_SHARE
    return age < (DISTURBED_GOOD_FOR if is_disturbed else GOOD_FOR)


def _measure(client: EngineClient, worker_name: str, ref: BaseModelRef) -> bool:
    try:
        *_, end = client.measure(ref)
    except EngineDiedError:
        return False
    if end["type"] != "measured":
        logger.info("base model %s not measured: %s", ref.name, end.get("code", end["type"]))
        return False
    calibration = end["calibration"] | {
        "version": settings.VERSION,
        "measured_at": timezone.now().isoformat(),
    }
    with transaction.atomic():
        worker = Worker.objects.select_for_update().filter(name=worker_name).first()
        if worker is None:
            return False
        worker.calibration = worker.calibration | {ref.digest: calibration}
        worker.save(update_fields=["calibration"])
    logger.info(
        "base model %s measured in %.1f s: %.0f tokens/s",
        ref.name,
        calibration["seconds"],
        calibration["steps"][1]["tokens_per_second"],
    )
    return True
