"""What the training calls of the API take and answer, and the events of the training socket.

The hyperparameters' ranges in the documentation are generated from engine.config; the service checks the values.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from django.utils.translation import gettext as _
from ninja import Field, Schema
from pydantic import ConfigDict, WithJsonSchema

from engine.config import (
    MODULE_SETS,
    TARGET_MODULES,
    LoraHyperparameters,
    Parameter,
    TrainingHyperparameters,
)
from engine.presets import (
    DEFAULT_LORA_PRESET,
    DEFAULT_TRAINING_PRESET,
    LORA_PRESETS,
    TRAINING_PRESETS,
    LoraPreset,
    TrainingPreset,
)
from training.diagnosis.wording import worded
from training.models import MetricPoint, TrainingEvent, TrainingJob
from training.progress.remaining import remaining_seconds
from training.queue.answers import ExpectedStartSchema, WaitReasonSchema, shared_standing
from training.queue.standing import ExpectedStart
from training.sample_prompts import MAX_SAMPLE_PROMPT_CHARACTERS, MAX_SAMPLE_PROMPTS
from training.selectors import metric_points
from training.sentences import failure_sentence


def _settings_schema(
    kind: type[LoraHyperparameters] | type[TrainingHyperparameters],
) -> dict[str, Any]:
    defaults = kind().to_dict()
    return {
        "type": "object",
        "additionalProperties": False,
        "description": "A setting that is left out takes its default.",
        "properties": {
            name: _parameter_schema(parameter, defaults[name])
            for name, parameter in kind.parameters().items()
        },
    }


def _parameter_schema(parameter: Parameter, default: Any) -> dict[str, Any]:
    schema: dict[str, Any] = {
        "title": parameter.label,
        "description": parameter.help,
        "default": default,
    }
    match parameter.kind:
        case "modules":
            names = {"type": "string", "enum": [*TARGET_MODULES, *MODULE_SETS]}
            return schema | {"oneOf": [{"type": "array", "items": names}, names]}
        case "pattern":
            return schema | _pattern_schema(parameter)
        case "choice":
            return schema | {"type": "string", "enum": [*parameter.choices]}
    return schema | _number_schema(parameter, is_integer=parameter.kind == "integer")


def _pattern_schema(parameter: Parameter) -> dict[str, Any]:
    number = _number_schema(parameter, is_integer=parameter.is_integer)
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": dict.fromkeys(TARGET_MODULES, number),
    }


def _number_schema(parameter: Parameter, *, is_integer: bool) -> dict[str, Any]:
    limits = {"minimum": parameter.minimum, "maximum": parameter.maximum}
    return {"type": "integer" if is_integer else "number"} | {
        name: value for name, value in limits.items() if value is not None
    }


LoraConfig = Annotated[dict[str, Any], WithJsonSchema(_settings_schema(LoraHyperparameters))]
TrainingConfig = Annotated[
    dict[str, Any], WithJsonSchema(_settings_schema(TrainingHyperparameters))
]


class JobRequest(Schema):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="So that you find the job again")
    model_name: str = Field(description="Name of a base model, from GET /api/models")
    dataset_id: str
    lora_config: LoraConfig = Field(default_factory=dict)
    training_config: TrainingConfig = Field(default_factory=dict)
    eval_dataset_id: str | None = Field(
        default=None, description="A dataset to measure on only; not together with eval_fraction"
    )
    sample_prompts: list[str] = Field(
        default_factory=list,
        description=(
            f"Up to {MAX_SAMPLE_PROMPTS} questions, of at most {MAX_SAMPLE_PROMPT_CHARACTERS} characters each, "
            "that the adapter answers again and again while it learns"
        ),
    )
    cohort_id: str | None = Field(
        default=None,
        description="The class that the job counts in; by default yours, when there is just one",
    )
    prediction: str = Field(default="", description="What you expect of it, to be read afterwards")
    tags: list[str] = Field(default_factory=list)


class AdviceSchema(Schema):
    code: str
    level: str = Field(description="danger, warning or info")
    text: str
    changes: dict[str, Any] = Field(
        description="What mends it, by field; empty where no setting does"
    )


class MendSchema(Schema):
    code: str
    text: str
    changes: dict[str, Any]
    verdict: str
    needed_bytes: int | None
    duration_seconds: float | None


class FitSchema(Schema):
    is_possible: bool
    changes: dict[str, Any]
    given_up: list[str]
    duration_seconds: float | None = Field(
        description="With the changes; where it is impossible, of the quickest job that still learns"
    )


class EstimateSchema(Schema):
    """What is expected of a job; null where nothing honest can be told, and then `untold` says why."""

    steps: int
    steps_per_epoch: int
    example_count: int
    eval_example_count: int
    duration_seconds: float | None = Field(
        description="Once it runs, on the slowest device that may take it"
    )
    memory_bytes: int | None = Field(description="With the base model")
    needed_bytes: int | None = Field(description="Beside the base model")
    room_bytes: int | None = Field(description="That a job may take beside the base model")
    trainable_parameters: int
    adapter_size_bytes: int
    tokens_per_second: float | None
    truncated_examples: int | None
    cut_answers: int | None = Field(
        description="Of the truncated ones, those whose answer lost its end"
    )
    left_out_examples: int | None
    verdict: str = Field(description="fits, tight, does_not_fit or unknown")
    worker: str = Field(description="That measured the device")
    device_name: str
    factor: float = Field(
        description="Of what past jobs took, to what the measurement said; contained"
    )
    untold: str
    advice: list[AdviceSchema]
    mends: list[MendSchema] = Field(description="Changes that make it fit into memory")
    fit: FitSchema | None = Field(description="Where fit_minutes was given")


class PresetSchema(Schema):
    name: str
    label: str
    help: str
    is_default: bool
    lora_config: LoraConfig | None = None
    training_config: TrainingConfig | None = None


class PresetsSchema(Schema):
    lora: list[PresetSchema]
    training: list[PresetSchema]


class JobSchema(Schema):
    """A training job: what was asked for, and how far it is."""

    id: UUID
    name: str
    model_name: str
    dataset_id: UUID
    eval_dataset_id: UUID | None = Field(
        description="Null when held-out examples, if any, come from the dataset itself"
    )
    lora_config: LoraConfig
    training_config: TrainingConfig
    sample_prompts: list[str]
    cohort_id: UUID | None
    prediction: str
    explanation: str
    notes: str
    tags: list[str]
    is_starred: bool
    archived_at: datetime | None
    sweep_id: UUID | None
    status: str = Field(description="pending, running, completed, failed or cancelled")
    stage: str = Field(
        description="queued, preparing, baseline, training, evaluating, saving, cancelling, stopping or done"
    )
    progress: float = Field(description="Share of the steps that are done, from 0 to 1")
    current_epoch: float
    total_epochs: int
    current_step: int
    total_steps: int
    loss: float | None
    best_loss: float | None
    eval_loss: float | None
    baseline_loss: float | None = Field(description="Held-out loss of the untouched base model")
    queue_position: int | None = Field(
        description="1 is next; null when the job does not wait, is held, or its class is paused"
    )
    expected_start: ExpectedStartSchema | None = Field(
        description="As things stand; null when nothing can be told"
    )
    wait_reason: WaitReasonSchema | None = Field(description="Why it waits; null when it does not")
    estimated_time_remaining: float | None = Field(
        description="Seconds; null until enough steps were measured"
    )
    waited_seconds: float = Field(description="Spent in the queue before the newest start")
    device_seconds: float = Field(description="For which a device worked on it")
    device_name: str
    memory_bytes: int = Field(description="Most memory that the engine held; 0 until measured")
    attempt: int = Field(description="Starts so far; more than one after a worker was lost")
    estimate: dict[str, Any] = Field(description="What was expected before the start")
    diagnosis: dict[str, Any] = Field(
        description=(
            "What the finished job's numbers say: {verdict, findings: [{code, evidence, title, sentence, "
            "next: {code, params}, next_sentence}], version}; the verdict's finding first"
        )
    )
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    error_message: str | None = Field(description="What happened, why and what to do")
    error_code: str | None

    @staticmethod
    def resolve_model_name(job: TrainingJob) -> str:
        return job.base_model.name

    @staticmethod
    def resolve_dataset_id(job: TrainingJob) -> UUID:
        return job.dataset_version.dataset_id

    @staticmethod
    def resolve_eval_dataset_id(job: TrainingJob) -> UUID | None:
        version = job.eval_dataset_version
        return version.dataset_id if version else None

    @staticmethod
    def resolve_total_epochs(job: TrainingJob) -> int:
        return job.training.num_epochs

    @staticmethod
    def resolve_queue_position(job: TrainingJob, context: Any) -> int | None:
        standing = shared_standing(job, context)
        return standing.position if standing else None

    @staticmethod
    def resolve_expected_start(job: TrainingJob, context: Any) -> ExpectedStart | None:
        standing = shared_standing(job, context)
        return standing.expected_start if standing else None

    @staticmethod
    def resolve_wait_reason(job: TrainingJob, context: Any) -> WaitReasonSchema | None:
        standing = shared_standing(job, context)
        return WaitReasonSchema.of(standing) if standing else None

    @staticmethod
    def resolve_estimated_time_remaining(job: TrainingJob) -> float | None:
        seconds = remaining_seconds(job)
        return None if seconds is None else round(seconds, 1)

    @staticmethod
    def resolve_diagnosis(job: TrainingJob) -> dict[str, Any]:
        return worded(job.diagnosis)

    @staticmethod
    def resolve_error_message(job: TrainingJob) -> str | None:
        return failure_sentence(job) or None

    @staticmethod
    def resolve_error_code(job: TrainingJob) -> str | None:
        return job.error_code or None


class MetricSchema(Schema):
    """The measurements after one step; step 0 is the untouched base model."""

    step: int
    epoch: float
    loss: float | None
    learning_rate: float | None
    eval_loss: float | None
    grad_norm: float | None
    tokens_per_second: float | None
    timestamp: datetime

    @staticmethod
    def resolve_timestamp(point: MetricPoint) -> datetime:
        return point.recorded_at


class ProgressSchema(Schema):
    job_id: UUID
    status: str
    stage: str
    progress: float
    current_epoch: float
    total_epochs: int
    current_step: int
    total_steps: int
    loss: float | None
    metrics: list[MetricSchema]


def presets_answer() -> dict[str, list[dict[str, Any]]]:
    return {
        "lora": [_preset(preset, "lora_config") for preset in LORA_PRESETS],
        "training": [_preset(preset, "training_config") for preset in TRAINING_PRESETS],
    }


def _preset(preset: LoraPreset | TrainingPreset, settings_name: str) -> dict[str, Any]:
    return {
        "name": preset.name,
        "label": _(preset.label),
        "help": _(preset.help),
        "is_default": preset.name in (DEFAULT_LORA_PRESET, DEFAULT_TRAINING_PRESET),
        settings_name: preset.settings.to_dict(),
    }


def progress_answer(job: TrainingJob, points: Sequence[MetricPoint]) -> dict[str, Any]:
    return {
        "job_id": job.pk,
        "status": job.status,
        "stage": job.stage,
        "progress": job.progress,
        "current_epoch": job.current_epoch,
        "total_epochs": job.training.num_epochs,
        "current_step": job.current_step,
        "total_steps": job.total_steps,
        "loss": job.loss,
        "metrics": list(points),
    }


def snapshot_event(job: TrainingJob) -> dict[str, Any]:
    """The whole state of a job as the first event of a socket; later events start at seq + 1.

    The points are read after the job's seq, so they may be newer: events repeat them, by step.
    """
    return {
        "type": "snapshot",
        "seq": job.event_seq,
        "job": JobSchema.from_orm(job).model_dump(),
        "metrics": [MetricSchema.from_orm(point).model_dump() for point in metric_points(job)],
    }


def stored_event(event: TrainingEvent, job: TrainingJob) -> dict[str, Any]:
    """An event's row as the socket sends it; a failure comes with its sentence."""
    body = {**event.payload, "type": event.type, "seq": event.seq}
    if event.type == "finished" and job.error_code:
        body["error_message"] = failure_sentence(job)
    return body
