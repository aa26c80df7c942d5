"""The live stream of a job: what each event holds, and the group that is told.

Events are rows with a dense `seq`; the message to the group is only a hint that there are new ones. A snapshot is
not stored: consumers build it from the API's job object.
"""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict
from uuid import UUID

from common.channel_layer import publish


class PointPayload(TypedDict):
    """One metric point, as in the API's progress call."""

    step: int
    epoch: float
    loss: float | None
    learning_rate: float | None
    grad_norm: float | None
    tokens_per_second: float | None
    timestamp: str


class StagePayload(TypedDict):
    stage: str
    plan: NotRequired[dict[str, Any]]
    attempt: NotRequired[int]
    is_lost: NotRequired[bool]
    is_resumed: NotRequired[bool]


class MetricsPayload(TypedDict):
    points: list[PointPayload]


class EvaluationPayload(TypedDict):
    step: int
    eval_loss: float
    is_best: bool


class SamplePayload(TypedDict):
    """What the adapter answers to the `index`th fixed question after `step` steps."""

    step: int
    index: int
    prompt: str
    text: str


class CheckpointPayload(TypedDict):
    """A later attempt can go on after this step, or could not be saved for: then the checkpoint before stays."""

    step: int
    failed: NotRequired[bool]


class FinishedPayload(TypedDict):
    """step is the last one done, adapter_step the one whose adapter is kept."""

    status: str
    error_code: NotRequired[str]
    error_params: NotRequired[dict[str, Any]]
    step: NotRequired[int]
    adapter_step: NotRequired[int]
    stopped_early: NotRequired[bool]
    stopped_by_request: NotRequired[bool]


def group_name(job_id: UUID | str) -> str:
    return f"training.job.{job_id}"


def publish_change(job_id: UUID | str, seq: int) -> None:
    """Tell the job's sockets that events up to seq are in the database."""
    publish(group_name(job_id), {"type": "training.changed", "seq": seq})
