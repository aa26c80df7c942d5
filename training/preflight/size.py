"""What a job will do, by its settings alone."""

from __future__ import annotations

from dataclasses import dataclass

from datasets_app.models import DatasetVersion
from engine.config import (
    LoraHyperparameters,
    TrainingHyperparameters,
    held_out_count,
    steps_per_epoch,
    trainable_parameter_count,
)
from modelhub.models import BaseModel

FLOAT32_BYTES = 4

Shapes = dict[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class JobPlan:
    """What a job will do, known before it starts."""

    trainable_parameters: int
    trainable_share: float
    effective_batch_size: int
    example_count: int
    eval_example_count: int
    steps_per_epoch: int
    total_steps: int
    adapter_size_bytes: int


def plan_training_job(
    *,
    base_model: BaseModel,
    dataset_version: DatasetVersion,
    lora: LoraHyperparameters,
    training: TrainingHyperparameters,
    eval_dataset_version: DatasetVersion | None = None,
) -> JobPlan:
    """The job's size from its settings alone; examples that turn out too long may lower the steps."""
    return plan_of_counts(
        base_model,
        lora,
        training,
        dataset_version.example_count,
        None if eval_dataset_version is None else eval_dataset_version.example_count,
    )


def plan_of_counts(
    base_model: BaseModel,
    lora: LoraHyperparameters,
    training: TrainingHyperparameters,
    examples: int,
    measured_examples: int | None,
) -> JobPlan:
    """The job's size for so many usable examples.

    Args:
        measured_examples: of the evaluation dataset; None where a share is held out instead.
    """
    parameters = trainable_parameter_count(lora, module_shapes(base_model), base_model.layer_count)
    if measured_examples is not None:
        held_out = measured_examples
    else:
        held_out = held_out_count(examples, training.eval_fraction)
        examples -= held_out
    steps = steps_per_epoch(examples, training)
    return JobPlan(
        trainable_parameters=parameters,
        trainable_share=parameters / base_model.parameter_count
        if base_model.parameter_count
        else 0.0,
        effective_batch_size=min(training.effective_batch_size, examples),
        example_count=examples,
        eval_example_count=held_out,
        steps_per_epoch=steps,
        total_steps=steps * training.num_epochs,
        adapter_size_bytes=parameters * FLOAT32_BYTES,
    )


def module_shapes(base_model: BaseModel) -> Shapes:
    return {name: (inputs, outputs) for name, (inputs, outputs) in base_model.module_shapes.items()}
