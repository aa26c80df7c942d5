"""A row becomes work of the engine, and the engine's words become rows. Runs in a worker's threads."""

from __future__ import annotations

import logging
import shutil
import threading
from pathlib import Path
from typing import Any, cast

from django.conf import settings
from django.db import DatabaseError

from common import storage
from common.errors import DiskFullError, UnavailableError
from engine.client import Work
from engine.data.records import DatasetType
from engine.protocol import TrainingSpec
from modelhub.execution import engine, is_draining
from modelhub.selectors import base_model_ref
from training import lifecycle
from training.lifecycle import Lease, LeaseLostError
from training.models import Adapter, TrainingJob
from training.recorder import JobRecorder

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.25
# On one device jobs run one after another, in the order of the queue.
_device = threading.Lock()


def is_training() -> bool:
    return _device.locked()


def run_waiting_jobs(worker_name: str) -> None:
    """Run jobs until none waits; returns at once when this worker's device is taken."""
    while not is_draining() and _device.acquire(blocking=False):
        try:
            lease = lifecycle.claim_next(worker_name)
            if lease is not None:
                run_job(lease)
        finally:
            _device.release()
        if lease is None:
            return


def run_job(lease: Lease) -> None:
    """Run one claimed job to its end, whatever that is."""
    folder = settings.LLMLORA_HOME.work / f"{lease.job_id}-{lease.attempt}"
    logger.info("job=%s attempt=%s starts", lease.job_id, lease.attempt)
    try:
        folder.mkdir(parents=True)
        _train(lease, folder)
    except LeaseLostError:
        logger.warning(
            "job=%s attempt=%s lease lost, result discarded", lease.job_id, lease.attempt
        )
    except UnavailableError:
        _fail(lease, "unsupported_model")
    except DiskFullError:
        _fail(lease, "disk_full")
    except DatabaseError:
        # Nothing can be written now: the lease runs out and the job goes back to the queue.
        logger.exception("job=%s attempt=%s database failed", lease.job_id, lease.attempt)
    except Exception:
        logger.exception("job=%s attempt=%s failed", lease.job_id, lease.attempt)
        _fail(lease, "internal")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _fail(lease: Lease, code: str) -> None:
    try:
        lifecycle.fail(lease, code)
    except LeaseLostError:
        logger.warning("job=%s ended elsewhere before it failed with %s", lease.job_id, code)


def _train(lease: Lease, folder: Path) -> None:
    spec = _spec(lease, folder)
    recorder = JobRecorder(lease)
    work = engine().submit_training(spec, work_id=f"{lease.job_id}-{lease.attempt}")
    try:
        end = _follow(work, recorder)
    except BaseException:
        work.cancel()
        raise
    recorder.write()
    match end["type"]:
        case "finished":
            _keep(lease, end)
        case "failed":
            logger.warning("job=%s failed: %s %s", lease.job_id, end["code"], end["detail"])
            lifecycle.fail(lease, end["code"], end["params"])
        case "cancelled" if is_draining():
            lifecycle.release(lease.job_id, lease.token, is_charged=False)
        case "cancelled":
            lifecycle.finish_cancelled(lease)


def _follow(work: Work, recorder: JobRecorder) -> dict[str, Any]:
    """Take the engine's events until the terminal one, which is returned."""
    while True:
        event = work.next(timeout=POLL_SECONDS)
        if event is not None:
            if event["type"] in ("finished", "failed", "cancelled"):
                return event
            recorder.take(event)
        if recorder.is_due and recorder.write():
            work.cancel()
        if is_draining():
            work.cancel()


def _spec(lease: Lease, folder: Path) -> TrainingSpec:
    job = TrainingJob.objects.select_related("base_model", "dataset_version__dataset").get(
        pk=lease.job_id
    )
    data = folder / "dataset.jsonl"
    storage.fetch_file(job.dataset_version.file, data)
    return TrainingSpec(
        base_model=base_model_ref(job.base_model),
        dataset_path=str(data),
        dataset_digest=job.dataset_version.digest,
        dataset_type=cast("DatasetType", job.dataset_version.dataset.type),
        output_dir=str(folder / "adapter"),
        lora=job.lora,
        training=job.training,
    )


def _keep(lease: Lease, end: dict[str, Any]) -> None:
    """Store the files, then make them the job's result in one transaction."""
    prefix = f"jobs/{lease.job_id}/attempt-{lease.attempt}"
    folder = Path(end["output_dir"])
    try:
        # The manifest goes last: a prefix without one is not complete.
        for name in sorted(end["files"], key=lambda name: (name == "manifest.json", name)):
            storage.save_file(f"{prefix}/{name}", folder / name)
        lifecycle.complete(
            lease,
            adapter=Adapter(
                job_id=lease.job_id,
                prefix=prefix,
                files=end["files"],
                digest=end["adapter_digest"],
                size_bytes=end["size_bytes"],
            ),
            fields={"loss": end["final_loss"], "best_loss": end["best_loss"]},
        )
    except (LeaseLostError, OSError, DiskFullError):
        storage.delete_prefix(prefix)
        raise
    logger.info(
        "job=%s attempt=%s completed in %.1f s",
        lease.job_id,
        lease.attempt,
        end["duration_seconds"],
    )
