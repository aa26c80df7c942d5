"""The one loop that owns the device: training jobs and answers take turns in it, each by its smallest step.

While a job and chats both want the device, engine.turns says after every block of training and every step of chats who
goes next; there a new request is heard too. All answers of a base model move by one step together
(engine.inference.room); answers of models that the rooms do not know, and measurements, take turns with them. Of
several jobs the one with the least work left trains (engine.scheduling); they change at the end of an optimizer step. A
failure ends only the work that it happened in.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from engine import protocol
from engine.errors import EngineError
from engine.inference.endings import ending
from engine.inference.llama_cpp.choice import LlamaChoice
from engine.inference.rooms import ChatRooms
from engine.inference.run import GenerationRun
from engine.models.devices import free_cached_memory, wait_for
from engine.models.loading import ModelHost
from engine.scheduling import Queued, Speed, most_urgent
from engine.signals import Signals
from engine.training.calibration import CalibrationRun
from engine.training.footprint import mends
from engine.training.run import TrainingRun
from engine.turns import Turns

logger = logging.getLogger(__name__)

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
        llama_cpp: as ChatRooms takes it.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        host: ModelHost,
        emit: Callable[[Event], None],
        llama_cpp: Path | LlamaChoice | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._host = host
        self._clock = clock
        self._emit = emit
        self._requests: queue.SimpleQueue[tuple[protocol.Request, float] | None] = (
            queue.SimpleQueue()
        )
        self._signals: dict[str, Signals] = {}
        # Reentrant, since a signal handler may stop the loop while its own thread holds the lock.
        self._signals_lock = threading.RLock()
        self._jobs: list[Queued[TrainingRun]] = []
        self._current: Queued[TrainingRun] | None = None
        self._speed = Speed()
        self._turns = Turns()
        self._rooms = ChatRooms(host, llama_cpp)
        self._alone: deque[GenerationRun | CalibrationRun] = deque()
        self._is_stopping = False

    def submit(self, request: protocol.Request) -> None:
        """Queue a train, generate or load request, or give a signal at once. From any thread."""
        if request.type in ("cancel", "stop", "suspend"):
            self._signal(request.work_id, request.type)
            return
        with self._signals_lock:
            is_new = request.work_id not in self._signals
            if is_new:
                self._signals[request.work_id] = Signals()
        if not is_new:
            logger.warning(
                "work=%s is under way already; the second request is ignored", request.work_id
            )
            return
        self._requests.put((request, self._clock()))

    def stop(self) -> None:
        """End the loop as soon as the step at hand allows; open work is dropped without a word. From any thread."""
        self._is_stopping = True
        with self._signals_lock:
            everything = list(self._signals.values())
        for signals in everything:
            signals.give("cancel")
        self._requests.put(None)

    def run(self) -> None:
        """Serve until stop is called."""
        while not self._is_stopping:
            self.run_once(wait=True)
        open_work: list[Run] = [*(queued.job for queued in self._jobs), *self._alone]
        for work in open_work:
            work.close()
        self._rooms.close()

    def run_once(self, *, wait: bool = False) -> None:
        """Take new requests, then do one step of a job or of all answers.

        Args:
            wait: whether to block until there is something to do.
        """
        self._take_requests(wait=wait and not (self._jobs or self._has_answers()))
        self._end_signalled_waiting()
        if self._is_stopping:
            return
        if self._jobs and not (self._has_answers() and self._is_chat_next()):
            self._step_job(self._choose_job())
        elif self._has_answers():
            self._step_answers()

    @property
    def open_work_count(self) -> int:
        return len(self._signals)

    def _has_one_work(self) -> bool:
        return self.open_work_count == 1

    def _is_chat_next(self) -> bool:
        is_awaited = any(not answer.has_begun for answer in self._alone)
        return self._turns.is_chat_next(has_newcomers=is_awaited or self._rooms.has_newcomers)

    def _has_answers(self) -> bool:
        return bool(self._alone) or not self._rooms.is_idle

    def _choose_job(self) -> Queued[TrainingRun]:
        if self._current is not None and not self._current.job.is_between_steps:
            return self._current
        speed = self._speed.tokens_per_second
        rests = [(queued, queued.job.remaining_tokens / speed) for queued in self._jobs]
        chosen = most_urgent(rests, self._clock())
        if chosen is not self._current:
            self._tell_change(chosen)
            self._current = chosen
        return chosen

    def _tell_change(self, chosen: Queued[TrainingRun]) -> None:
        for queued in self._jobs:
            if queued is not chosen and not queued.is_told_to_wait:
                queued.is_told_to_wait = True
                self._emit(queued.job.story.made("stage", stage="queued"))
        if chosen.is_told_to_wait:
            chosen.is_told_to_wait = False
            if chosen.job.has_begun:
                self._emit(chosen.job.story.made("stage", stage=chosen.job.story.stage))

    def _step_job(self, queued: Queued[TrainingRun]) -> None:
        job, started = queued.job, self._clock()
        before = job.pace.remaining_tokens
        is_well = self._guarded(job.work_id, job.advance, job)
        if self._has_answers():
            # Else the next step of chats would be charged with what it waits for.
            wait_for(self._host.device)
        seconds = self._clock() - started
        queued.busy_seconds += seconds
        self._turns.trained(seconds)
        if job.story.stage == "training":
            self._speed.add(max(0.0, before - job.pace.remaining_tokens), seconds)
        if not is_well or job.is_finished:
            self._jobs.remove(queued)
            self._current = None
            if is_well:
                self._forget(job.work_id)

    def _step_answers(self) -> None:
        """Step all answers, each room as one."""
        started = self._clock()
        self._step_rooms()
        for _ in range(len(self._alone)):
            self._step_alone()
        if self._jobs:
            self._turns.chatted(self._clock() - started)

    def _step_rooms(self) -> None:
        for event in self._rooms.step():
            if event["type"] in protocol.TERMINAL_TYPES:
                self._forget(event["work_id"])
            if event["type"] == "failed":
                free_cached_memory(self._host.device)
            self._emit(event)

    def _step_alone(self) -> None:
        answer = self._alone.popleft()
        if self._guarded(answer.work_id, answer.advance, answer):
            if answer.is_finished:
                self._forget(answer.work_id)
            else:
                self._alone.append(answer)

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
        with self._signals_lock:
            signals = self._signals[request.work_id]
        self._guarded(request.work_id, lambda: self._start(request, received, signals), None)

    def _start(self, request: protocol.Request, received: float, signals: Signals) -> list[Event]:
        if request.type == "train":
            spec = _read(protocol.read_training_spec, request.body)
            run = TrainingRun(request.work_id, spec, self._host, signals)
            self._jobs.append(Queued(run, arrived=received))
            if self._current is not None:
                self._jobs[-1].is_told_to_wait = True
                return [run.story.made("stage", stage="queued")]
        elif request.type == "generate":
            answer_spec = _read(protocol.read_generation_spec, request.body)
            if self._rooms.prepare(answer_spec.base_model):
                behind = self._requests.qsize()
                self._rooms.join(request.work_id, answer_spec, signals, received, behind)
            else:
                self._alone.append(
                    GenerationRun(request.work_id, answer_spec, self._host, signals, received)
                )
        elif request.type == "load":
            signals.raise_if_cancelled()
            ref = _read(lambda body: protocol.BaseModelRef(**body["base_model"]), request.body)
            self._rooms.prepare(ref)
            self._forget(request.work_id)
            duration_seconds = self._clock() - received
            return [
                {
                    "type": "loaded",
                    "work_id": request.work_id,
                    "duration_seconds": duration_seconds,
                }
            ]
        elif request.type == "measure":
            ref = _read(lambda body: protocol.BaseModelRef(**body["base_model"]), request.body)
            self._alone.append(
                CalibrationRun(request.work_id, ref, self._host, signals, self._has_one_work)
            )
        else:
            raise EngineError(f"unknown request {request.type}", request=str(request.type))
        return []

    def _guarded(self, work_id: str, step: Callable[[], list[Event]], work: Run | None) -> bool:
        """Do a step and tell its events, or tell its failure; returns whether it went well."""
        try:
            events = step()
        except Exception as failure:  # noqa: BLE001 - the one place where any failure becomes an event
            last = self._ending(work_id, failure, work)
        else:
            for event in events:
                self._emit(event)
            return True
        # After the except block, which held the frames of the failed step and their tensors.
        free_cached_memory(self._host.device)
        self._forget(work_id)
        if not self._is_stopping:
            self._emit(last)
        return False

    def _ending(self, work_id: str, failure: Exception, work: Run | None) -> Event:
        return ending(
            work_id,
            failure,
            self._host.device,
            usage=work.usage if isinstance(work, GenerationRun) else None,
            mends=mends(work.spec.lora, work.spec.training)
            if isinstance(work, TrainingRun)
            else None,
        )

    def _end_signalled_waiting(self) -> None:
        """Jobs that wait hear a cancel, and at a safe point a suspension, without getting the device first."""
        for queued in list(self._jobs):
            signals = queued.job.signals
            if signals.has("cancel") or (signals.has("suspend") and queued is not self._current):
                self._step_job(queued)

    def _signal(self, work_id: str, signal: protocol.Signal) -> None:
        with self._signals_lock:
            signals = self._signals.get(work_id)
        if signals is not None:
            signals.give(signal)

    def _forget(self, work_id: str) -> None:
        with self._signals_lock:
            self._signals.pop(work_id, None)


def _read(reader: Callable[[dict[str, Any]], Any], body: dict[str, Any]) -> Any:
    try:
        return reader(body)
    except (KeyError, TypeError, ValueError, AttributeError) as failure:
        raise EngineError(f"unreadable request: {failure!r}", reason="bad_request") from failure
