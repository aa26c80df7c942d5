"""A row becomes work of the engine, and the engine's words become rows. Runs in a worker's threads."""

from __future__ import annotations

import logging
import re
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError

from common import storage
from common.errors import DiskFullError, UnavailableError
from datasets_app.models import DatasetVersion
from engine.client import Work
from engine.data.records import DatasetType
from engine.errors import EngineDiedError
from engine.protocol import Signal, TrainingSpec
from modelhub.execution import engine, is_draining
from modelhub.selectors import base_model_ref
from training import lifecycle
from training.lifecycle import Lease, LeaseLostError, Request
from training.models import Adapter, TrainingJob
from training.recorder import JobRecorder

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.25
# `<job>-<attempt>` holds what one attempt reads and writes, `<job>-checkpoints` what the next one goes on from.
WORK_FOLDER = re.compile(
    r"(?P<job_id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})-(?P<use>\d+|checkpoints)"
)
SIGNALS: dict[Signal, Callable[[Work], None]] = {
    "cancel": Work.cancel,
    "stop": Work.stop,
    "suspend": Work.suspend,
}


class _Places:
    """The jobs that this worker's engine may hold at once; which of them runs is the engine's choice."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.taken = 0

    @property
    def free(self) -> int:
        return max(0, settings.JOBS_PER_DEVICE - self.taken)

    def take(self) -> bool:
        """Whether there was a place; it is given back with `give_back`."""
        with self._lock:
            if not self.free:
                return False
            self.taken += 1
            return True

    def give_back(self) -> None:
        with self._lock:
            self.taken -= 1


_places = _Places()


def is_training() -> bool:
    return _places.taken > 0


def free_places() -> int:
    """How many more jobs this worker may take."""
    return _places.free


def run_waiting_jobs(worker_name: str) -> None:
    """Run jobs, one after another, until none waits; returns at once when this worker holds as many as it may."""
    while not is_draining() and _places.take():
        try:
            lease = lifecycle.claim_next(worker_name)
            if lease is not None:
                run_job(lease)
        finally:
            _places.give_back()
        if lease is None:
            return


def sweep_work_folders() -> None:
    """Remove what workers that died left of jobs that need it no more."""
    # Listed before the rows are read: a folder that appears in between belongs to a job that runs.
    found = [
        (folder, UUID(match["job_id"]), match["use"])
        for folder in settings.LLMLORA_HOME.work.glob("*-*")
        if (match := WORK_FOLDER.fullmatch(folder.name))
    ]
    jobs = {
        job.pk: job
        for job in TrainingJob.objects.active()
        .filter(pk__in={job_id for _folder, job_id, _use in found})
        .only("status", "attempt")
    }
    for folder, job_id, use in found:
        if not _is_needed(jobs.get(job_id), use):
            shutil.rmtree(folder, ignore_errors=True)


def _is_needed(job: TrainingJob | None, use: str) -> bool:
    if job is None:
        return False
    is_running = job.status == TrainingJob.Status.RUNNING
    return use == "checkpoints" or (is_running and use == str(job.attempt))


def _checkpoint_folder(job_id: UUID) -> Path:
    return settings.LLMLORA_HOME.work / f"{job_id}-checkpoints"


def _is_active(job_id: UUID) -> bool:
    return TrainingJob.objects.active().filter(pk=job_id).exists()


def _drop_checkpoints_of_ended(job_id: UUID) -> None:
    """A job that is over needs them no more; one that went back to the queue goes on from them."""
    if not _is_active(job_id):
        shutil.rmtree(_checkpoint_folder(job_id), ignore_errors=True)


def run_job(lease: Lease) -> None:
    """Run one claimed job to its end, whatever that is."""
    try:
        _run_attempt(lease)
        _drop_checkpoints_of_ended(lease.job_id)
    except DatabaseError:
        # Nothing can be written now: the lease runs out and the job goes back to the queue.
        logger.exception("job=%s attempt=%s database failed", lease.job_id, lease.attempt)


def _run_attempt(lease: Lease) -> None:
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
        raise
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
    except (DatabaseError, LeaseLostError) as error:
        _leave(work, lease, error)
        raise
    except BaseException:
        work.cancel()
        raise
    recorder.write()
    match end["type"]:
        case "finished":
            _keep(lease, end, recorder.last_step)
        case "failed" if end["code"] == EngineDiedError.code and recorder.is_queued:
            # The job that ran beside it took the engine along.
            lifecycle.release(lease.job_id, lease.token, is_charged=False)
        case "failed":
            logger.warning("job=%s failed: %s %s", lease.job_id, end["code"], end["detail"])
            lifecycle.fail(lease, end["code"], end["params"])
        case "cancelled" if is_draining():
            lifecycle.release(lease.job_id, lease.token, is_charged=False)
        case "cancelled":
            lifecycle.finish_cancelled(lease)


def _leave(work: Work, lease: Lease, error: Exception) -> None:
    """Let go of a job that is not ours any more: another attempt goes on from its checkpoints, unless it is gone."""
    is_gone = isinstance(error, LeaseLostError) and not _is_active(lease.job_id)
    SIGNALS["cancel" if is_gone else "suspend"](work)


def _follow(work: Work, recorder: JobRecorder) -> dict[str, Any]:
    """Take the engine's events until the terminal one, which is returned; tell the engine what is asked, once each."""
    request = Request.NONE
    told: set[Signal] = set()
    while True:
        event = work.next(timeout=POLL_SECONDS)
        if event is not None:
            if event["type"] in ("finished", "failed", "cancelled"):
                return event
            recorder.take(event)
        if recorder.is_due:
            request = recorder.write()
        signal = _signal(request)
        if signal is not None and signal not in told:
            SIGNALS[signal](work)
            told.add(signal)


def _signal(request: Request) -> Signal | None:
    """What the engine has to know. A worker that stops interrupts a job, but one to be cancelled ends for good."""
    if request is Request.CANCEL:
        return "cancel"
    if is_draining():
        return "suspend"
    return "stop" if request is Request.STOP else None


def _spec(lease: Lease, folder: Path) -> TrainingSpec:
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
        checkpoint_dir=str(_checkpoint_folder(lease.job_id)),
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


def _keep(lease: Lease, end: dict[str, Any], last_step: int) -> None:
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
            ending={"step": max(last_step, end["adapter_step"])}
            | {name: end[name] for name in ("adapter_step", "stopped_early", "stopped_by_request")},
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
