"""The worker's patrol: reports that it lives, finds work whose poke was lost, and takes back work of lost workers."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection

from accounts.mailing import send_waiting_mails
from accounts.notifications import purge_seen
from accounts.privacy.exporting import remove_old_exports
from accounts.privacy.running import run_due_requests
from chat import lifecycle as chat_lifecycle
from chat.execution import close_desk, desk
from chat.models import Reply
from chat.prompt_sets.running import advance_unfinished
from chat.services.purging import purge_duels, purge_requests
from courses.execution.measuring import measure_waiting
from courses.execution.retention import erase_old_classes
from datasets_app.execution import run_import, sweep_imports, waiting_imports
from llmlora_site.reaper import Held, Reaper
from modelhub.execution import close_engine, engine, is_draining
from modelhub.lifecycle import forget_worker, report_worker
from modelhub.models import BaseModel, Worker
from modelhub.pulling_execution import look_after_ollama, wait_pulls_ended
from modelhub.pulling_lifecycle import purge_pulls
from modelhub.registration import Registration, may_claim
from modelhub.selectors import find_base_model_ref
from modelhub.server_looks import look_after_chat_servers
from training import lifecycle as training_lifecycle
from training.execution import (
    free_places,
    is_training,
    run_waiting_jobs,
    sweep_artifacts,
    sweep_work_folders,
)
from training.models import TrainingJob
from training.preflight.calibrating import calibrate

logger = logging.getLogger(__name__)

OTHER_THREADS = 3
SWEEP_SECONDS = 3600
PULL_SECONDS = 5.0
"""A pull of Ollama's is given back at its next renewal."""


class Patrol(threading.Thread):
    """One thread of a worker; works without Redis."""

    def __init__(self, worker_name: str) -> None:
        super().__init__(name="patrol", daemon=True)
        self.worker_name = worker_name
        self._registration = Registration(worker_name)
        self._stopping = threading.Event()
        # However many jobs run in these threads, some are left for imports, mails and measurements.
        threads = settings.JOBS_PER_DEVICE + OTHER_THREADS
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="patrol-work")
        self._reapers: list[tuple[Any, Reaper, Any]] = [
            (TrainingJob, Reaper(), training_lifecycle.lose),
            (Reply, Reaper(), chat_lifecycle.lose),
        ]
        self._swept_at = float("-inf")

    def start(self) -> None:
        """Take back the last life's work first: once this one claims, its rows bear the same name."""
        self._guarded(self._registration.is_admitted)
        self._guarded(self.take_back_own)
        self._guarded(sweep_work_folders)
        connection.close()
        super().start()

    def run(self) -> None:
        while not self._stopping.is_set():
            self._guarded(self._round)
            self._stopping.wait(settings.PATROL_INTERVAL_SECONDS)
        connection.close()

    def stop(self) -> None:
        self._stopping.set()
        close_desk()
        wait_pulls_ended(PULL_SECONDS)
        self._pool.shutdown(wait=True, cancel_futures=True)
        close_engine()
        self._guarded(lambda: forget_worker(self.worker_name))

    def _guarded(self, step: Any) -> None:
        try:
            close_old_connections()
            step()
        except DatabaseError as error:
            logger.warning("patrol: database not reachable: %s", error)
        except Exception:
            # The patrol outlives every failure of a round: without it the worker would look dead.
            logger.exception("patrol: round failed")

    def _round(self) -> None:
        if not self._registration.is_admitted():
            return
        self._report()
        if not is_draining():
            self.keep_engine()
        if is_draining():
            return
        if may_claim():
            self._find_unpoked()
        self.reap()
        self._submit(send_waiting_mails)
        self._submit(advance_unfinished)
        self._submit(calibrate, engine(), self.worker_name)
        self._sweep_sometimes()

    def _sweep_sometimes(self) -> None:
        if time.monotonic() - self._swept_at >= SWEEP_SECONDS:
            self._swept_at = time.monotonic()
            sweep_imports()
            sweep_artifacts()
            sweep_work_folders()
            purge_requests()
            purge_duels()
            purge_pulls()
            purge_seen()
            remove_old_exports()
            # In a thread of its own: a class has many files, and the patrol must report meanwhile.
            self._submit(erase_old_classes)

    def take_back_own(self) -> None:
        """Rows that this worker's last life left running: nobody works on them any more."""
        for pk, token, _ in self._running(TrainingJob).filter(worker_name=self.worker_name):
            training_lifecycle.lose(pk, token)
        for pk, token, _ in self._running(Reply).filter(worker_name=self.worker_name):
            chat_lifecycle.lose(pk, token)

    def keep_engine(self) -> None:
        """Start the engine when none runs and make the first ready base model resident, before anybody waits for it.

        A worker whose engine can not start fails here, round by round, and claims nothing.
        """
        client = engine()
        if client.is_alive:
            return
        client.start()
        self._report()
        ref = next(
            filter(None, map(find_base_model_ref, BaseModel.objects.filter(is_enabled=True))), None
        )
        if ref is not None:
            for event in client.load(ref):
                if event["type"] == "failed":
                    logger.error("base model %s not loaded: %s", ref.name, event["detail"])

    def _report(self) -> None:
        client = engine()
        ready = client.ready
        if ready is None:
            report_worker(self.worker_name, Worker.State.STARTING)
            return
        report_worker(
            self.worker_name,
            Worker.State.BUSY if is_training() else Worker.State.READY,
            device=ready["device"],
            device_name=ready["device_name"],
            dtype=ready["dtype"],
            engine_pid=client.pid,
        )

    def _find_unpoked(self) -> None:
        waiting_count = TrainingJob.objects.filter(status=TrainingJob.Status.PENDING).count()
        for _place in range(min(free_places(), waiting_count)):
            self._submit(run_waiting_jobs, self.worker_name)
        for import_id in waiting_imports():
            self._submit(run_import, import_id)
        self._submit(run_due_requests)
        self._submit(look_after_ollama)
        self._submit(look_after_chat_servers)
        self._submit(measure_waiting)
        desk().wake()

    def _submit(self, run: Any, *args: Any) -> None:
        def in_thread() -> None:
            try:
                run(*args)
            except Exception:
                logger.exception("patrol: %s%s failed", run.__name__, args)
            finally:
                connection.close()

        self._pool.submit(in_thread)

    def reap(self) -> None:
        """Take back what lost workers held."""
        for model, reaper, take_back in self._reapers:
            rows = [Held(*row) for row in self._running(model)]
            for held in reaper.lost(rows):
                logger.warning("%s %s: its worker fell silent", model.__name__, held.pk)
                take_back(held.pk, held.token)

    @staticmethod
    def _running(model: Any) -> Any:
        return model.objects.filter(status="running").values_list(
            "pk", "lease_token", "lease_count"
        )
