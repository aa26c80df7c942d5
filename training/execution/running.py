"""One job after another, from the claim to its end."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import DatabaseError

from common import storage
from common.errors import DiskFullError, UnavailableError
from engine.client import Work
from engine.crash_points import hit
from engine.errors import EngineDiedError
from engine.protocol import Signal
from modelhub.execution import engine, is_draining
from modelhub.registration import may_claim
from training import lifecycle
from training.execution.checkpoint_store import CheckpointPusher, fetch_newer, prefix_of
from training.execution.folders import attempt_folder, checkpoint_folder
from training.execution.places import places
from training.execution.results import diagnosis, keep_result
from training.execution.specs import training_spec
from training.lifecycle import Lease, LeaseLostError, Request
from training.models import TrainingJob
from training.recorder import JobRecorder

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.25
SIGNALS: dict[Signal, Callable[[Work], None]] = {
    "cancel": Work.cancel,
    "stop": Work.stop,
    "suspend": Work.suspend,
}
Status = TrainingJob.Status


def run_waiting_jobs(worker_name: str) -> None:
    """Run jobs, one after another, until none waits; returns at once when this worker holds as many as it may."""
    while may_claim() and not is_draining() and _has_space() and places.take():
        try:
            lease = lifecycle.claim_next(worker_name)
            if lease is not None:
                hit("P4")
                run_job(lease)
        finally:
            places.give_back()
        if lease is None:
            return


def _has_space() -> bool:
    """A nearly full disk takes no new job: the database and the jobs under way need the rest."""
    try:
        storage.check_free_space()
    except DiskFullError:
        logger.warning("the disk is nearly full: no job is claimed")
        return False
    return True


def run_job(lease: Lease) -> None:
    """Run one claimed job to its end, whatever that is."""
    try:
        _run_attempt(lease)
        _drop_checkpoints_of_completed(lease.job_id)
    except DatabaseError:
        # Nothing can be written now: the lease runs out and the job goes back to the queue.
        logger.exception("job=%s attempt=%s database failed", lease.job_id, lease.attempt)


def _drop_checkpoints_of_completed(job_id: UUID) -> None:
    """A job that has its result, or is gone, needs them no more; any other goes on from them."""
    status = TrainingJob.objects.filter(pk=job_id).values_list("status", flat=True).first()
    if status is None or status == Status.COMPLETED:
        shutil.rmtree(checkpoint_folder(job_id), ignore_errors=True)
        storage.delete_prefix(prefix_of(job_id))


def _run_attempt(lease: Lease) -> None:
    folder = attempt_folder(lease.job_id, lease.attempt)
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
    spec = training_spec(lease, folder)
    checkpoints = checkpoint_folder(lease.job_id)
    fetch_newer(lease.job_id, checkpoints)
    pusher = CheckpointPusher(lease.job_id, checkpoints)
    recorder = JobRecorder(lease)
    work = engine().submit_training(spec, work_id=f"{lease.job_id}-{lease.attempt}")
    try:
        end = _follow(work, recorder, pusher)
    except (DatabaseError, LeaseLostError) as error:
        _leave(work, lease, error)
        raise
    except BaseException:
        work.cancel()
        raise
    finally:
        pusher.finish(with_newest=False)
    recorder.write(is_last=True)
    _end(lease, end, recorder, pusher)


def _end(
    lease: Lease, end: dict[str, Any], recorder: JobRecorder, pusher: CheckpointPusher
) -> None:
    match end["type"]:
        case "finished":
            keep_result(lease, end, recorder.last_step)
        case "failed" if recorder.is_queued and "exit_code" in end["params"]:
            # The job that ran beside it took the engine along.
            lifecycle.release(lease.job_id, lease.token)
        case "failed" if end["code"] == EngineDiedError.code:
            logger.warning("job=%s its engine died: %s", lease.job_id, end["detail"])
            lifecycle.lose(lease.job_id, lease.token, end["code"])
        case "failed":
            logger.warning("job=%s failed: %s %s", lease.job_id, end["code"], end["detail"])
            failure = {"error_code": end["code"], "error_params": end["params"]}
            found = diagnosis(lease, status=Status.FAILED, **failure)
            lifecycle.fail(lease, end["code"], end["params"], {"diagnosis": found})
        case "cancelled" if is_draining():
            pusher.finish(with_newest=True)
            lifecycle.release(lease.job_id, lease.token)
        case "cancelled":
            lifecycle.finish_cancelled(lease)


def _leave(work: Work, lease: Lease, error: Exception) -> None:
    """Let go of a job that is not ours any more: another attempt goes on from its checkpoints, unless it is gone."""
    is_gone = isinstance(error, LeaseLostError) and not _is_active(lease.job_id)
    SIGNALS["cancel" if is_gone else "suspend"](work)


def _is_active(job_id: UUID) -> bool:
    return TrainingJob.objects.active().filter(pk=job_id).exists()


def _follow(work: Work, recorder: JobRecorder, pusher: CheckpointPusher) -> dict[str, Any]:
    """Take the engine's events until the terminal one, which is returned; tell the engine what is asked, once each."""
    request = Request.NONE
    told: set[Signal] = set()
    while True:
        event = work.next(timeout=POLL_SECONDS)
        if event is not None:
            if event["type"] in ("finished", "failed", "cancelled"):
                return event
            recorder.take(event)
            if event["type"] == "checkpoint":
                pusher.push()
        if recorder.is_due:
            request = recorder.write()
        signal = _signal(request)
        if signal is not None and signal not in told:
            if signal == "cancel":
                hit("P12")
            SIGNALS[signal](work)
            told.add(signal)


def _signal(request: Request) -> Signal | None:
    """What the engine has to know. A worker that stops interrupts a job, but one to be cancelled ends for good."""
    if request is Request.CANCEL:
        return "cancel"
    if is_draining():
        return "suspend"
    return "stop" if request is Request.STOP else None
