"""Real rows for training tests: a person's dataset with its stored file, the base model, jobs in every state."""

from __future__ import annotations

import math
import uuid
from datetime import timedelta
from typing import Any

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from accounts.models import User
from datasets_app.models import DatasetVersion
from datasets_app.selectors import latest_version
from datasets_app.tests.factories import make_dataset
from engine.catalog import DEFAULT_BASE_MODEL
from engine.config import LoraHyperparameters, TrainingHyperparameters
from modelhub.models import BaseModel
from modelhub.services import sync_base_models
from training import lifecycle
from training.lifecycle import Lease, Progress
from training.models import Adapter, MetricPoint, TrainingJob

RECORDS = [
    {"instruction": f"Who waters bed {number}?", "output": f"Class {number}B."}
    for number in range(1, 13)
]


def make_person(username: str = "dana", **fields: Any) -> User:
    return User.objects.create_user(
        username, f"{username}@example.org", "correct-horse-battery", **fields
    )


def make_base_model() -> BaseModel:
    sync_base_models()
    return BaseModel.objects.get(name=DEFAULT_BASE_MODEL)


def make_dataset_version(owner: User, *, name: str = "Garden") -> DatasetVersion:
    return latest_version(make_dataset(owner, name=name, records=RECORDS))


def make_training_job(owner: User | None = None, **changes: Any) -> TrainingJob:
    """A waiting job."""
    owner = owner or make_person(f"person-{uuid.uuid4().hex[:8]}")
    fields: dict[str, Any] = {
        "owner": owner,
        "name": "Garden answers",
        "lora_config": LoraHyperparameters().to_dict(),
        "training_config": TrainingHyperparameters().to_dict(),
    } | changes
    fields.setdefault("base_model", make_base_model())
    if "dataset_version" not in fields:
        fields["dataset_version"] = make_dataset_version(owner)
    return TrainingJob.objects.create(**fields)


def make_running_job(
    owner: User | None = None, *, step_count: int = 0, total_steps: int = 75, **changes: Any
) -> tuple[TrainingJob, Lease]:
    """A job that a worker holds, with so many measured steps."""
    job = make_training_job(owner, **changes)
    token = uuid.uuid4()
    now = timezone.now()
    TrainingJob.objects.filter(pk=job.pk).update(
        status=TrainingJob.Status.RUNNING,
        stage=TrainingJob.Stage.PREPARING,
        lease_token=token,
        attempt=1,
        worker_name="test-worker",
        total_steps=total_steps,
        started_at=now,
    )
    lease = Lease(job.pk, token, 1)
    if step_count:
        record_steps(lease, 1, step_count, total_steps=total_steps)
    job.refresh_from_db()
    return job, lease


def record_steps(
    lease: Lease, first: int, last: int, *, total_steps: int = 75
) -> list[MetricPoint]:
    """Write steps as a worker does: points, one metrics event, the job's numbers."""
    started = timezone.now() - timedelta(seconds=last)
    points = [
        MetricPoint(
            job_id=lease.job_id,
            attempt=lease.attempt,
            step=step,
            epoch=step * 5 / total_steps,
            loss=round(0.15 + 2.4 * math.exp(-step / 14) + 0.12 * math.sin(step * 1.7), 4),
            learning_rate=1e-3 * min(1, step / 8) * (1 - step / (total_steps * 1.05)),
            grad_norm=1.0,
            tokens_per_second=210.0,
            recorded_at=started + timedelta(seconds=step),
        )
        for step in range(first, last + 1)
    ]
    fields = {
        "stage": TrainingJob.Stage.TRAINING,
        "current_step": last,
        "current_epoch": points[-1].epoch,
        "loss": points[-1].loss,
        "best_loss": min(point.loss for point in points if point.loss is not None),
        "tokens_per_second": 210.0,
    }
    payload = {"points": [{"step": point.step, "loss": point.loss} for point in points]}
    lifecycle.record(lease, Progress(fields=fields, points=points, events=[("metrics", payload)]))
    return points


def record_sample(
    lease: Lease, *, step: int, text: str, index: int = 0, prompt: str = "Who?"
) -> None:
    """Write what the adapter answered, as a worker does."""
    payload = {"step": step, "index": index, "prompt": prompt, "text": text}
    lifecycle.record(lease, Progress(events=[("sample", payload)]))


def make_completed_job(owner: User | None = None, **changes: Any) -> TrainingJob:
    """A job whose adapter stands in storage; its files are small stand-ins for real weights."""
    job, lease = make_running_job(owner, step_count=75, **changes)
    prefix = f"jobs/{job.pk}/adapter"
    files = {
        "adapter_config.json": b'{"r": 8}',
        "adapter_model.safetensors": bytes(range(256)) * 40,
    }
    for name, content in files.items():
        default_storage.save(f"{prefix}/{name}", ContentFile(content))
    adapter = Adapter(
        job=job,
        prefix=prefix,
        files=dict.fromkeys(files, "0" * 64),
        digest="0" * 64,
        size_bytes=sum(len(content) for content in files.values()),
    )
    lifecycle.complete(lease, adapter=adapter, fields={})
    job.refresh_from_db()
    return job


def make_failed_job(
    owner: User | None = None,
    *,
    code: str = "out_of_memory",
    params: dict[str, Any] | None = None,
    **changes: Any,
) -> TrainingJob:
    job, lease = make_running_job(owner, step_count=12, **changes)
    lifecycle.fail(lease, code, params)
    job.refresh_from_db()
    return job
