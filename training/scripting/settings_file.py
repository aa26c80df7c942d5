"""A job's settings as a YAML file: what to post to the API to repeat it, and what it was made with."""

from __future__ import annotations

from typing import Any

import yaml

from training.models import TrainingJob

FORMAT_VERSION = 1


def settings_yaml(job: TrainingJob) -> str:
    """`job` is the body of POST /api/training/jobs; `made_with` tells what the numbers of the job rest on."""
    values = {"format_version": FORMAT_VERSION, "job": _body(job), "made_with": _sources(job)}
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=100)


def _body(job: TrainingJob) -> dict[str, Any]:
    evaluation = job.eval_dataset_version
    return {
        "name": job.name,
        "model_name": job.base_model.name,
        "dataset_id": str(job.dataset_version.dataset_id),
        "eval_dataset_id": str(evaluation.dataset_id) if evaluation else None,
        "lora_config": job.lora.to_dict(),
        "training_config": job.training.to_dict(),
        "sample_prompts": list(job.sample_prompts),
        "cohort_id": str(job.cohort_id) if job.cohort_id else None,
        "prediction": job.prediction,
        "tags": list(job.tags),
    }


def _sources(job: TrainingJob) -> dict[str, Any]:
    version, evaluation = job.dataset_version, job.eval_dataset_version
    sources: dict[str, Any] = {
        "base_model_sha256": job.base_model.digest,
        "dataset_sha256": version.digest,
        "dataset_version": version.number,
    }
    if evaluation is not None:
        sources["eval_dataset_sha256"] = evaluation.digest
        sources["eval_dataset_version"] = evaluation.number
    return sources
