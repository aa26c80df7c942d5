"""The devices that a job may run on, with what was measured on each, and how past jobs kept to what was told."""

from __future__ import annotations

import logging
import statistics
from dataclasses import dataclass
from typing import Any

from engine.training.footprint import ModelShape
from modelhub.models import BaseModel, Worker
from modelhub.selectors import workers
from training.models import TrainingJob
from training.preflight.speed import Speed

logger = logging.getLogger(__name__)

MOST_DEVICES = 4
PAST_JOBS = 20
FACTOR_RANGE = (0.5, 2.0)
"""A past that says more than this tells of something else than the device."""

MEMORY_FACTOR_RANGE = (1.0, 3.0)
"""What the allocator keeps beside the tensors only adds to them."""

LEAST_SECONDS = 2.0
"""A shorter job is mostly its start and end."""

BUSY_SHARE = 0.25
"""Of the processors: what other programs may take before a measurement counts as disturbed."""


@dataclass(frozen=True, slots=True)
class Device:
    """One kind of device, and the worker that measured it.

    Attributes:
        is_busy: other programs ran while it was measured, so it may be faster than told.
        factor: of what past jobs took, to what the measurement said.
        memory_factor: of what a step held when it was measured, to what is reckoned for it.
    """

    worker: str
    name: str
    kind: str
    speed: Speed
    shape: ModelShape
    resident_bytes: int
    available_bytes: int
    total_bytes: int
    is_busy: bool
    factor: float
    memory_factor: float


def devices_for(base_model: BaseModel, variant: str) -> list[Device]:
    """Each kind of device that was measured with this base model; those of workers that take work, if there are any."""
    rows = [
        row
        for row in workers()
        if base_model.digest in row.calibration
        and row.state != Worker.State.REFUSED
        and (variant != "qlora" or row.has_cuda)
    ]
    rows = [row for row in rows if row.is_at_work and not row.is_paused] or rows
    found: dict[str, Device] = {}
    for row in rows:
        if len(found) == MOST_DEVICES:
            break
        device = _device(row, row.calibration[base_model.digest], base_model)
        if device is not None:
            found.setdefault(device.name, device)
    return list(found.values())


def _device(row: Worker, calibration: dict[str, Any], base_model: BaseModel) -> Device | None:
    try:
        return Device(
            worker=row.name,
            name=calibration["device_name"],
            kind=calibration["device"],
            speed=Speed.from_calibration(calibration),
            shape=ModelShape.from_dict(calibration["shape"]),
            resident_bytes=calibration["resident_bytes"],
            available_bytes=calibration["available_bytes"],
            total_bytes=calibration["total_bytes"],
            is_busy=calibration["other_load"] > BUSY_SHARE,
            factor=past_factor(calibration["device_name"], base_model),
            memory_factor=_memory_factor(calibration),
        )
    except (KeyError, TypeError, ValueError, ZeroDivisionError, StopIteration):
        logger.exception("worker=%s its calibration can not be read", row.name)
        return None


def _memory_factor(calibration: dict[str, Any]) -> float:
    measured = calibration["step_bytes"] / calibration["reckoned_bytes"]
    low, high = MEMORY_FACTOR_RANGE
    return min(high, max(low, measured))


def past_factor(device_name: str, base_model: BaseModel) -> float:
    """The median of what the last jobs took to what the measurement alone had said; 1 without any."""
    rows = (
        TrainingJob.objects.filter(
            status=TrainingJob.Status.COMPLETED,
            base_model=base_model,
            device_name=device_name,
            lost_attempts=0,
        )
        .order_by("-completed_at")
        .values_list("estimate", "device_seconds", "current_step", "total_steps")
    )
    ratios = [
        seconds * estimate["factor"] / estimate["duration_seconds"]
        for estimate, seconds, step, total in rows[:PAST_JOBS]
        # One that stopped early took less than was told for all of its steps.
        if step == total and seconds >= LEAST_SECONDS and estimate.get("duration_seconds")
    ]
    if not ratios:
        return 1.0
    low, high = FACTOR_RANGE
    return min(high, max(low, statistics.median(ratios)))
