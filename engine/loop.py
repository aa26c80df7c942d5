"""The one loop that owns the device: training jobs and answers take turns in it, each by its smallest step.

Between two micro-steps of training the answers decode for a bounded slice, so a chat stays responsive while a job
trains. One job trains at a time, in order of arrival. A failure ends only the work that it happened in.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from engine import protocol
from engine.cancellation import CancelFlag
from engine.durable import is_disk_full
from engine.errors import CancelledError, DiskFullError, EngineError, OutOfMemoryError
from engine.inference.run import GenerationRun
from engine.models.devices import free_cached_memory, is_out_of_memory, memory_report
from engine.models.loading import ModelHost
from engine.training.run import TrainingRun

logger = logging.getLogger(__name__)

DECODE_SLICE_SECONDS = 0.5
"""Decoding between two micro-steps of training: about as long as one of them on a CPU."""

Event = dict[str, Any]


class Run(Protocol):
    """Work that moves by small steps."""

    work_id: str
    is_finished: bool

    def advance(self) -> list[Event]: ...

    def close(self) -> None: ...


class EngineLoop:
    """Takes requests from any thread and runs them in the thread that calls run.

    Args:
        host: the resident models.
        emit: told every event, in the thread of the loop.
        decode_slice_seconds: decoding between two micro-steps; at least one step is done.
    """

    def __init__(
        self,
        host: ModelHost,
        emit: Callable[[Event], None],
        decode_slice_seconds: float = DECODE_SLICE_SECONDS,
    ) -> None:
        self._host = host
        self._decode_slice_seconds = decode_slice_seconds
        self._emit = emit
        self._requests: queue.SimpleQueue[tuple[protocol.Request, float] | None] = (
            queue.SimpleQueue()
        )
        self._flags: dict[str, CancelFlag] = {}
        # Reentrant, since a signal handler may stop the loop while its own thread holds the lock.
        self._flags_lock = threading.RLock()
        self._waiting_jobs: deque[TrainingRun] = deque()
        self._jobs: deque[TrainingRun] = deque()
        self._answers: deque[GenerationRun] = deque()
        self._is_stopping = False

    def submit(self, request: protocol.Request) -> None:
        """Queue a train, generate or load request, or do a cancel at once. From any thread."""
        if request.type == "cancel":
            self._cancel(request.work_id)
            return
        with self._flags_lock:
            is_new = request.work_id not in self._flags
            if is_new:
                self._flags[request.work_id] = CancelFlag()
        if not is_new:
            logger.warning(
                "work=%s is under way already; the second request is ignored", request.work_id
            )
            return
        self._requests.put((request, time.monotonic()))

    def stop(self) -> None:
        """End the loop as soon as the step at hand allows; open work is dropped without a word. From any thread."""
        self._is_stopping = True
        with self._flags_lock:
            flags = list(self._flags.values())
        for flag in flags:
            flag.set()
        self._requests.put(None)

    def run(self) -> None:
        """Serve until stop is called."""
        while not self._is_stopping:
            self.run_once(wait=True)
        open_work: list[Run] = [*self._jobs, *self._waiting_jobs, *self._answers]
        for work in open_work:
            work.close()

    def run_once(self, *, wait: bool = False) -> None:
        """Take new requests, then one turn of the open work.

        Args:
            wait: whether to block until there is something to do.
        """
        self._take_requests(wait=wait and not (self._jobs or self._waiting_jobs or self._answers))
        self._end_cancelled_waiting()
        if self._waiting_jobs and not self._jobs:
            self._jobs.append(self._waiting_jobs.popleft())
        if self._jobs and not self._is_stopping:
            self._turn(self._jobs)
        self._decode(until=time.monotonic() + self._decode_slice_seconds if self._jobs else None)

    @property
    def open_work_count(self) -> int:
        return len(self._flags)

    def _decode(self, until: float | None) -> None:
        """Step the answers round-robin: for a slice beside training, else one round."""
        rounds = len(self._answers)
        while self._answers and not self._is_stopping:
            self._turn(self._answers)
            rounds -= 1
            if time.monotonic() >= until if until is not None else rounds <= 0:
                return
            if until is not None:
                self._take_requests(wait=False)

    def _turn(self, works: deque[Any]) -> None:
        work = works.popleft()
        if self._guarded(work.work_id, work.advance, work):
            if work.is_finished:
                self._forget(work.work_id)
            else:
                works.append(work)

    def _take_requests(self, *, wait: bool) -> None:
        while True:
            try:
                item = self._requests.get(block=wait)
            except queue.Empty:
                return
            wait = False
            if item is None:
                return
            self._open(*item)

    def _open(self, request: protocol.Request, received: float) -> None:
        with self._flags_lock:
            flag = self._flags[request.work_id]
        self._guarded(request.work_id, lambda: self._start(request, received, flag), None)

    def _start(self, request: protocol.Request, received: float, flag: CancelFlag) -> list[Event]:
        if request.type == "train":
            spec = _read(protocol.read_training_spec, request.body)
            self._waiting_jobs.append(TrainingRun(request.work_id, spec, self._host, flag))
        elif request.type == "generate":
            answer_spec = _read(protocol.read_generation_spec, request.body)
            self._answers.append(
                GenerationRun(request.work_id, answer_spec, self._host, flag, received)
            )
        elif request.type == "load":
            flag.raise_if_set()
            ref = _read(lambda body: protocol.BaseModelRef(**body["base_model"]), request.body)
            self._host.release(self._host.acquire(ref))
            self._forget(request.work_id)
            duration_seconds = time.monotonic() - received
            return [
                {
                    "type": "loaded",
                    "work_id": request.work_id,
                    "duration_seconds": duration_seconds,
                }
            ]
        else:
            raise EngineError(f"unknown request {request.type}", request=str(request.type))
        return []

    def _guarded(self, work_id: str, step: Callable[[], list[Event]], work: Run | None) -> bool:
        """Do a step and tell its events, or tell its failure; returns whether it went well."""
        try:
            events = step()
        except Exception as failure:  # noqa: BLE001 - the one place where any failure becomes an event
            ending = self._failure_event(work_id, failure, work)
        else:
            for event in events:
                self._emit(event)
            return True
        # After the except block, which held the frames of the failed step and their tensors.
        free_cached_memory(self._host.device)
        self._forget(work_id)
        if not self._is_stopping:
            self._emit(ending)
        return False

    def _failure_event(self, work_id: str, failure: Exception, work: Run | None) -> Event:
        if isinstance(failure, CancelledError):
            event: Event = {"type": "cancelled", "work_id": work_id}
            if isinstance(work, GenerationRun):
                event["usage"] = work.usage
            return event
        known = self._known_failure(failure)
        detail = "".join(traceback.format_exception(failure))
        logger.error("work=%s failed with %s\n%s", work_id, known.code, detail)
        return {
            "type": "failed",
            "work_id": work_id,
            "code": known.code,
            "params": known.params,
            "detail": repr(failure)[:2000],
        }

    def _known_failure(self, failure: Exception) -> EngineError:
        if is_out_of_memory(failure):
            report = memory_report(self._host.device)
            return OutOfMemoryError(
                total_bytes=report.total_bytes, available_bytes=report.available_bytes
            )
        if is_disk_full(failure):
            return DiskFullError()
        return failure if isinstance(failure, EngineError) else EngineError()

    def _end_cancelled_waiting(self) -> None:
        for job in [job for job in self._waiting_jobs if job.cancel_flag.is_set]:
            self._waiting_jobs.remove(job)
            self._guarded(job.work_id, job.advance, job)

    def _cancel(self, work_id: str) -> None:
        with self._flags_lock:
            flag = self._flags.get(work_id)
        if flag is not None:
            flag.set()

    def _forget(self, work_id: str) -> None:
        with self._flags_lock:
            self._flags.pop(work_id, None)


def _read(reader: Callable[[dict[str, Any]], Any], body: dict[str, Any]) -> Any:
    try:
        return reader(body)
    except (KeyError, TypeError, ValueError, AttributeError) as failure:
        raise EngineError(f"unreadable request: {failure!r}", reason="bad_request") from failure
