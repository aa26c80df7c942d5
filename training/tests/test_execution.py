"""A waiting job becomes an adapter through the real engine process, on a tiny model."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.core.files.storage import default_storage
from django.db import connection

from accounts.models import User
from engine.tests.factories import make_tiny_base_model
from modelhub.execution import close_engine, engine
from modelhub.models import BaseModel
from modelhub.services import sync_base_models
from training import execution, lifecycle
from training.models import TrainingEvent, TrainingJob
from training.sentences import failure_sentence
from training.tests.factories import make_training_job

pytestmark = pytest.mark.django_db(transaction=True)
Status = TrainingJob.Status
LONG = {"num_epochs": 100, "batch_size": 1, "max_length": 64, "learning_rate": 1e-3}


@pytest.fixture(scope="module", autouse=True)
def _engine() -> Iterator[None]:
    make_tiny_base_model(settings.LLMLORA_HOME.local_models / "tiny")
    yield
    close_engine()


@pytest.fixture
def tiny(transactional_db: None) -> BaseModel:
    sync_base_models()
    return BaseModel.objects.get(name="tiny")


def make_tiny_job(owner: User, tiny: BaseModel, **training: object) -> TrainingJob:
    config = {"num_epochs": 2, "batch_size": 4, "max_length": 128} | training
    return make_training_job(
        owner, base_model=tiny, lora_config={"r": 2, "alpha": 4}, training_config=config
    )


def run_in_background() -> threading.Thread:
    def run() -> None:
        try:
            execution.run_waiting_jobs("worker")
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def wait_for_step(job: TrainingJob) -> None:
    """Until the job's own events say that a step was recorded; ends by the test's time limit at worst."""
    waiter = threading.Event()
    while not TrainingEvent.objects.filter(job=job, type="metrics").exists():
        waiter.wait(0.02)


def test_a_waiting_job_becomes_an_adapter_in_storage(student: User, tiny: BaseModel) -> None:
    job = make_tiny_job(student, tiny, eval_fraction=0.2)
    execution.run_waiting_jobs("worker")
    job.refresh_from_db()
    assert (job.status, job.error_code) == (Status.COMPLETED, "")
    assert job.current_step == job.total_steps > 0
    assert job.trainable_parameter_count > 0
    assert {"adapter_model.safetensors", "adapter_config.json", "manifest.json"} <= set(
        job.adapter.files
    )
    with default_storage.open(f"{job.adapter.prefix}/manifest.json") as stream:
        assert json.load(stream)
    assert job.baseline_loss is not None
    assert list(
        job.metric_points.filter(loss__isnull=False).values_list("step", flat=True)
    ) == list(range(1, job.total_steps + 1))
    types = list(job.events.order_by("seq").values_list("type", flat=True))
    assert types[-1] == "finished"
    assert not any(settings.LLMLORA_HOME.work.iterdir())


def test_a_job_whose_engine_is_killed_says_so_and_the_next_one_runs(
    student: User, tiny: BaseModel
) -> None:
    doomed = make_tiny_job(student, tiny, **LONG)
    thread = run_in_background()
    wait_for_step(doomed)
    next_job = make_tiny_job(student, tiny)
    pid = engine().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    thread.join()
    doomed.refresh_from_db()
    assert (doomed.status, doomed.error_code) == (Status.FAILED, "engine_died")
    assert "started again" in failure_sentence(doomed)
    next_job.refresh_from_db()
    assert next_job.status == Status.COMPLETED


def test_a_running_job_stops_when_asked_and_keeps_nothing(student: User, tiny: BaseModel) -> None:
    job = make_tiny_job(student, tiny, **LONG)
    thread = run_in_background()
    wait_for_step(job)
    assert lifecycle.request_cancel(job.pk)
    thread.join()
    job.refresh_from_db()
    assert job.status == Status.CANCELLED
    assert not hasattr(job, "adapter")
    assert not default_storage.exists(f"jobs/{job.pk}/attempt-1/adapter_config.json")


def test_a_job_that_was_given_to_another_worker_leaves_no_trace(
    student: User, tiny: BaseModel
) -> None:
    job = make_tiny_job(student, tiny, **LONG)
    thread = run_in_background()
    wait_for_step(job)
    TrainingJob.objects.filter(pk=job.pk).update(lease_token="00000000-0000-4000-8000-000000000000")
    thread.join()
    job.refresh_from_db()
    assert job.status == Status.RUNNING
    assert not default_storage.exists(f"jobs/{job.pk}/attempt-1/adapter_config.json")


def test_examples_that_lose_their_answers_are_a_failure_in_words(
    student: User, tiny: BaseModel
) -> None:
    from datasets_app.selectors import latest_version
    from datasets_app.tests.factories import make_dataset

    dataset = make_dataset(
        student, name="Long", records=[{"instruction": "a" * 400, "output": "b"}]
    )
    job = make_tiny_job(student, tiny, max_length=64)
    TrainingJob.objects.filter(pk=job.pk).update(dataset_version=latest_version(dataset))
    execution.run_waiting_jobs("worker")
    job.refresh_from_db()
    assert (job.status, job.error_code) == (Status.FAILED, "dataset_unusable")
    assert "Raise the maximum length" in failure_sentence(job)
