"""The devices that a job may run on, with what was measured on each, and how past jobs kept to what was told."""

from __future__ import annotations

import logging
import statistics
from dataclasses import dataclass
from typing import Any, NamedTuple

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
        memory_factor: of what past jobs, or a measured step, held to what is reckoned.
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


class PastJob(NamedTuple):
    """What a job had been told, and what it took."""

    estimate: dict[str, Any]
    seconds: float
    memory_bytes: int
    step: int
    total_steps: int


def _device(row: Worker, calibration: dict[str, Any], base_model: BaseModel) -> Device | None:
    try:
        past = past_jobs(calibration["device_name"], base_model)
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
            factor=past_factor(past),
            memory_factor=_memory_factor(calibration, past),
        )
    except (KeyError, TypeError, ValueError, ZeroDivisionError, StopIteration):
        logger.exception("worker=%s its calibration can not be read", row.name)
        return None


def _memory_factor(calibration: dict[str, Any], past: list[PastJob]) -> float:
    """By past jobs where there are any: a measured step knows nothing of the gaps that steps of other lengths leave."""
    measured = calibration["step_bytes"] / calibration["reckoned_bytes"]
    return past_memory_factor(calibration["device_name"], past) or _within(
        MEMORY_FACTOR_RANGE, measured
    )


def past_jobs(device_name: str, base_model: BaseModel) -> list[PastJob]:
    """The last ones that ran through at once there."""
    rows = TrainingJob.objects.filter(
        status=TrainingJob.Status.COMPLETED,
        base_model=base_model,
        device_name=device_name,
        lost_attempts=0,
    ).order_by("-completed_at")
    names = ("estimate", "device_seconds", "memory_bytes", "current_step", "total_steps")
    return [PastJob(*row) for row in rows.values_list(*names)[:PAST_JOBS]]


def past_factor(past: list[PastJob]) -> float:
    """The median of what jobs took to what the measurement alone had said; 1 without any."""
    ratios = [
        job.seconds * job.estimate["factor"] / job.estimate["duration_seconds"]
        for job in past
        # One that stopped early took less than was told for all of its steps.
        if job.step == job.total_steps
        and job.seconds >= LEAST_SECONDS
        and job.estimate.get("duration_seconds")
    ]
    return _within(FACTOR_RANGE, statistics.median(ratios)) if ratios else 1.0


def past_memory_factor(device_name: str, past: list[PastJob]) -> float | None:
    """The median of what jobs held at most beside the base model to what had been reckoned; None without any."""
    ratios = []
    for job in past:
        told = job.estimate
        # Estimates of earlier versions say less, and were not as good.
        if job.memory_bytes and told.get("memory_device") == device_name:
            resident = told["resident_bytes"]
            reckoned = (told["memory_bytes"] - resident) / told["memory_factor"]
            ratios.append((job.memory_bytes - resident) / reckoned)
    return _within(MEMORY_FACTOR_RANGE, statistics.median(ratios)) if ratios else None


def _within(bounds: tuple[float, float], value: float) -> float:
    low, high = bounds
    return min(high, max(low, value))
