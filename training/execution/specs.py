"""What the engine is told of a job."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from common import storage
from datasets_app.models import DatasetVersion
from engine.data.records import DatasetType
from engine.protocol import TrainingSpec
from modelhub.selectors import base_model_ref
from training.execution.folders import checkpoint_folder
from training.lifecycle import Lease
from training.models import TrainingJob


def training_spec(lease: Lease, folder: Path) -> TrainingSpec:
    """The whole job, with its datasets fetched into folder.

    Raises:
        UnavailableError: the base model is not ready on this host.
    """
    job = TrainingJob.objects.select_related(
        "base_model", "dataset_version__dataset", "eval_dataset_version__dataset"
    ).get(pk=lease.job_id)
    return TrainingSpec(
        base_model=base_model_ref(job.base_model),
        dataset_path=_fetch(job.dataset_version, folder / "dataset.jsonl"),
        dataset_digest=job.dataset_version.digest,
        dataset_type=_type_of(job.dataset_version),
        output_dir=str(folder / "adapter"),
        lora=job.lora,
        training=job.training,
        sample_prompts=tuple(job.sample_prompts),
        checkpoint_dir=str(checkpoint_folder(lease.job_id)),
        **_eval_fields(job.eval_dataset_version, folder / "eval.jsonl"),
    )


def _eval_fields(version: DatasetVersion | None, path: Path) -> dict[str, Any]:
    if version is None:
        return {}
    return {
        "eval_dataset_path": _fetch(version, path),
        "eval_dataset_digest": version.digest,
        "eval_dataset_type": _type_of(version),
    }


def _fetch(version: DatasetVersion, path: Path) -> str:
    storage.fetch_file(version.file, path)
    return str(path)


def _type_of(version: DatasetVersion) -> DatasetType:
    return cast("DatasetType", version.dataset.type)
