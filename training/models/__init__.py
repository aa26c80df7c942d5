"""Training jobs, their metric points, events and adapters, who may use those, sweeps and device usage."""

from __future__ import annotations

from training.models.adapters import Adapter
from training.models.jobs import TrainingJob, TrainingJobQuerySet
from training.models.metrics import MetricPoint, TrainingEvent
from training.models.shares import JobShare
from training.models.sweeps import Sweep
from training.models.usage import DeviceUsage

__all__ = [
    "Adapter",
    "DeviceUsage",
    "JobShare",
    "MetricPoint",
    "Sweep",
    "TrainingEvent",
    "TrainingJob",
    "TrainingJobQuerySet",
]
