"""A job that is not there yet, as the preflight looks at it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from datasets_app.models import DatasetVersion
from engine.config import LoraHyperparameters, TrainingHyperparameters
from modelhub.models import BaseModel
from training.models import TrainingJob


@dataclass(frozen=True, slots=True)
class Draft:
    """What a person is about to start.

    Attributes:
        eval_dataset_version: None where a share of the dataset is held out, or nothing.
        prompt_count: sample questions.
    """

    base_model: BaseModel
    dataset_version: DatasetVersion
    lora: LoraHyperparameters
    training: TrainingHyperparameters
    eval_dataset_version: DatasetVersion | None = None
    prompt_count: int = 0

    @classmethod
    def of(cls, job: TrainingJob) -> Self:
        return cls(
            base_model=job.base_model,
            dataset_version=job.dataset_version,
            lora=job.lora,
            training=job.training,
            eval_dataset_version=job.eval_dataset_version,
            prompt_count=len(job.sample_prompts),
        )
