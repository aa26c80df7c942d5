"""Training jobs, their metric points, their events, the adapters they leave, sweeps and device usage."""

from __future__ import annotations

from training.models.adapters import Adapter
from training.models.jobs import TrainingJob, TrainingJobQuerySet
from training.models.metrics import MetricPoint, TrainingEvent
from training.models.sweeps import Sweep
from training.models.usage import DeviceUsage

__all__ = [
    "Adapter",
    "DeviceUsage",
    "MetricPoint",
    "Sweep",
    "TrainingEvent",
    "TrainingJob",
    "TrainingJobQuerySet",
]
