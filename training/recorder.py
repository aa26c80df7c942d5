"""Turns the engine's events of one job into rows, at most a few writes a second."""

from __future__ import annotations

import time
from typing import Any

from django.conf import settings
from django.utils import timezone

from training import lifecycle
from training.device_clock import DeviceClock
from training.lifecycle import Lease, Progress, Request
from training.models import MetricPoint, TrainingJob

Stage = TrainingJob.Stage

USAGE_SECONDS = 5.0
"""Device time is counted in parts of this length; the rest comes with the last write."""
POINTS_PER_EVENT = 200
"""A resumed job tells all its earlier steps at once; a frame of the live socket stays small."""


class JobRecorder:
    """Collects what the engine says and writes it under the job's lease.

    Attributes:
        last_step: the newest step that the engine told.
        is_queued: whether the engine holds the job while another one runs.
    """

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self._progress = Progress()
        self._points: dict[int, MetricPoint] = {}
        self._steps: list[dict[str, Any]] = []
        self._written_at = 0.0
        self._last: MetricPoint | None = None
        self._best_loss: float | None = None
        self._has_trained = False
        self._steps_in_epoch = 1.0
        self._clock = DeviceClock()
        self._clock.run()
        self.last_step = 0
        self.is_queued = False

    @property
    def is_due(self) -> bool:
        """Whether it is time to write: also without news, because a write renews the lease."""
        return time.monotonic() - self._written_at >= settings.LIVE_EVENT_INTERVAL_SECONDS

    def take(self, event: dict[str, Any]) -> None:
        match event["type"]:
            case "stage":
                self._take_stage(event)
            case "plan":
                self._take_plan(event)
            case "step":
                self._take_step(event)
            case "evaluation":
                self._take_evaluation(event)
            case "sample":
                self._take_sample(event)
            case "checkpoint":
                self._take_checkpoint(event)

    def write(self, *, is_last: bool = False) -> Request:
        """Write what was collected; brings back what the person asked.

        Args:
            is_last: whether the engine has told all, so that the device time is counted to its end.

        Raises:
            LeaseLostError: the job is not ours any more.
        """
        progress, self._progress = self._progress, Progress()
        points, self._points = self._points, {}
        progress.points = list(points.values())
        steps, self._steps = self._steps, []
        for first in range(0, len(steps), POINTS_PER_EVENT):
            points_payload = {"points": steps[first : first + POINTS_PER_EVENT]}
            progress.events.append(("metrics", points_payload))
        if is_last or self._clock.seconds >= USAGE_SECONDS:
            progress.device_seconds = self._clock.take()
        self._written_at = time.monotonic()
        return lifecycle.record(self.lease, progress)

    def _take_stage(self, event: dict[str, Any]) -> None:
        stage = event["stage"]
        was_queued, self.is_queued = self.is_queued, stage == Stage.QUEUED
        if self.is_queued:
            self._clock.stop()
        else:
            self._clock.run()
        self._progress.fields["stage"] = stage
        if stage == Stage.TRAINING and not self._has_trained:
            self._has_trained = True
            self._progress.fields["training_started_at"] = timezone.now()
        # The claim has told the first preparing already.
        if stage != Stage.PREPARING or was_queued:
            self._progress.events.append(("stage", {"stage": stage}))

    def _take_plan(self, event: dict[str, Any]) -> None:
        plan = {name: value for name, value in event.items() if name not in ("type", "work_id")}
        self._steps_in_epoch = plan["total_steps"] / plan["total_epochs"]
        self._progress.fields |= {
            "plan": plan,
            "total_steps": plan["total_steps"],
            "trainable_parameter_count": plan["trainable_parameters"],
        }
        self._progress.events.append(("stage", {"stage": Stage.PREPARING.value, "plan": plan}))

    def _take_step(self, event: dict[str, Any]) -> None:
        point = self._point(event["step"], event["epoch"])
        point.loss = event["loss"]
        point.learning_rate = event["learning_rate"]
        point.grad_norm = event["grad_norm"]
        point.tokens_per_second = event["tokens_per_second"]
        if self._best_loss is None or event["loss"] < self._best_loss:
            self._best_loss = event["loss"]
        self.last_step = event["step"]
        self._steps.append(_payload(point))
        self._progress.fields |= {
            "current_step": event["step"],
            "current_epoch": event["epoch"],
            "loss": event["loss"],
            "best_loss": self._best_loss,
            "tokens_per_second": event["tokens_per_second"],
            # A checkpoint of an earlier version tells steps without it.
            "memory_bytes": event.get("memory_bytes", 0),
        }

    def _take_evaluation(self, event: dict[str, Any]) -> None:
        # Between two points of the training curve there is no other word of the epoch.
        point = self._point(event["step"], event["step"] / self._steps_in_epoch)
        point.eval_loss = event["eval_loss"]
        self._progress.fields["eval_loss"] = event["eval_loss"]
        if event["step"] == 0:
            self._progress.fields["baseline_loss"] = event["eval_loss"]
        payload = {name: event[name] for name in ("step", "eval_loss", "is_best")}
        self._progress.events.append(("evaluation", payload))

    def _take_sample(self, event: dict[str, Any]) -> None:
        # PostgreSQL stores no NUL; a model may still draw one.
        text = event["text"].replace("\x00", "")
        payload = {name: event[name] for name in ("step", "index", "prompt")} | {"text": text}
        if "finish_reason" in event:
            payload["finish_reason"] = event["finish_reason"]
        self._progress.events.append(("sample", payload))

    def _take_checkpoint(self, event: dict[str, Any]) -> None:
        payload = {"step": event["step"]} | ({"failed": True} if event["failed"] else {})
        self._progress.events.append(("checkpoint", payload))

    def _point(self, step: int, epoch: float) -> MetricPoint:
        point = self._points.get(step) or self._last_point(step)
        if point is None:
            point = MetricPoint(job_id=self.lease.job_id, attempt=self.lease.attempt, step=step)
        point.epoch = epoch
        point.recorded_at = timezone.now()
        self._points[step] = self._last = point
        return point

    def _last_point(self, step: int) -> MetricPoint | None:
        """The point written last, when an evaluation follows the step that it belongs to."""
        return self._last if self._last is not None and self._last.step == step else None


def _payload(point: MetricPoint) -> dict[str, Any]:
    return {
        "step": point.step,
        "epoch": point.epoch,
        "loss": point.loss,
        "learning_rate": point.learning_rate,
        "grad_norm": point.grad_norm,
        "tokens_per_second": point.tokens_per_second,
        "timestamp": point.recorded_at.isoformat(),
    }
