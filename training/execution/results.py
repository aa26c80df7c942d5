"""What a finished attempt leaves: files in storage, then one transaction that makes them the job's result."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from common import storage
from common.errors import DiskFullError
from engine.crash_points import hit
from training import lifecycle
from training.diagnosis.reading import diagnosis_of
from training.lifecycle import Lease, LeaseLostError
from training.models import Adapter, TrainingJob

logger = logging.getLogger(__name__)

MANIFEST = "manifest.json"


def keep_result(lease: Lease, end: dict[str, Any], last_step: int) -> None:
    """Store the files, then make them the job's result.

    Raises:
        LeaseLostError, DiskFullError, OSError: nothing of it stays.
    """
    prefix = f"jobs/{lease.job_id}/attempt-{lease.attempt}"
    try:
        _store_files(prefix, end)
        hit("P9")
        lifecycle.complete(
            lease,
            adapter=Adapter(
                job_id=lease.job_id,
                prefix=prefix,
                files=end["files"],
                digest=end["adapter_digest"],
                size_bytes=end["size_bytes"],
            ),
            fields={
                "loss": end["final_loss"],
                "best_loss": end["best_loss"],
                "diagnosis": diagnosis(lease, status=TrainingJob.Status.COMPLETED),
            },
            ending={"step": max(last_step, end["adapter_step"])}
            | {name: end[name] for name in ("adapter_step", "stopped_early", "stopped_by_request")},
        )
        hit("P11")
    except (LeaseLostError, OSError, DiskFullError):
        storage.delete_prefix(prefix)
        raise
    logger.info(
        "job=%s attempt=%s completed in %.1f s",
        lease.job_id,
        lease.attempt,
        end["duration_seconds"],
    )


def _store_files(prefix: str, end: dict[str, Any]) -> None:
    folder = Path(end["output_dir"])
    # The manifest goes last: a prefix without one is not complete.
    for name in sorted(end["files"], key=lambda name: (name == MANIFEST, name)):
        if name == MANIFEST:
            hit("P8")
        storage.save_file(f"{prefix}/{name}", folder / name)


def diagnosis(lease: Lease, **ending: Any) -> dict[str, Any]:
    """What the job's numbers say, once it has ended as told; empty when they can not be read."""
    try:
        job = TrainingJob.objects.select_related("dataset_version", "base_model").get(
            pk=lease.job_id
        )
        for name, value in ending.items():
            setattr(job, name, value)
        points = list(job.metric_points.order_by("step"))
        samples = job.events.filter(type="sample").order_by("seq").values_list("payload", flat=True)
        return diagnosis_of(job, points, list(samples))
    except Exception:
        # An explanation that fails must not cost the result.
        logger.exception("job=%s was not diagnosed", lease.job_id)
        return {}
