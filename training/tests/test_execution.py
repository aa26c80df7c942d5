"""A waiting job becomes an adapter through the real engine process, on a tiny model."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator

import pytest
from django.conf import LazySettings, settings
from django.core.files.storage import default_storage
from django.db import connection

from accounts.models import User
from datasets_app.selectors import latest_version
from datasets_app.tests.factories import make_dataset
from engine.tests.factories import make_tiny_base_model
from modelhub.execution import close_engine, engine
from modelhub.models import BaseModel
from modelhub.services import sync_base_models
from training import execution, lifecycle
from training.models import TrainingEvent, TrainingJob
from training.progress.samples import sampled_prompts
from training.selectors import job_log
from training.sentences import failure_sentence
from training.tests.factories import (
    make_completed_job,
    make_dataset_version,
    make_running_job,
    make_training_job,
)

pytestmark = pytest.mark.django_db(transaction=True)
Status = TrainingJob.Status
LONG = {"num_epochs": 100, "batch_size": 1, "max_length": 64, "learning_rate": 1e-3}
WAIT_SECONDS = 60


@pytest.fixture(scope="module", autouse=True)
def _engine() -> Iterator[None]:
    make_tiny_base_model(settings.LLMLORA_HOME.local_models / "tiny")
    yield
    close_engine()


@pytest.fixture(autouse=True)
def _empty_work_folder() -> None:
    for path in settings.LLMLORA_HOME.work.iterdir():
        shutil.rmtree(path)


@pytest.fixture
def tiny(transactional_db: None) -> BaseModel:
    sync_base_models()
    return BaseModel.objects.get(name="tiny")


def make_tiny_job(owner: User, tiny: BaseModel, **training: object) -> TrainingJob:
    config = {"num_epochs": 2, "batch_size": 4, "max_length": 128} | training
    return make_training_job(
        owner, base_model=tiny, lora_config={"r": 2, "alpha": 4}, training_config=config
    )


def make_long_job(owner: User, tiny: BaseModel, **training: object) -> TrainingJob:
    """Tens of thousands of steps: no test lasts until it ends by itself."""
    records = [{"instruction": f"Bed {number}?", "output": "1B."} for number in range(300)]
    dataset = make_dataset(owner, name="Long", records=records)
    job = make_tiny_job(owner, tiny, **LONG | training)
    TrainingJob.objects.filter(pk=job.pk).update(dataset_version=latest_version(dataset))
    return job


@pytest.fixture
def draining(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """The worker's flag that it stops, for this test alone."""
    flag = threading.Event()
    monkeypatch.setattr("modelhub.execution._draining", flag)
    return flag


def run_in_background() -> threading.Thread:
    def run() -> None:
        try:
            execution.run_waiting_jobs("worker")
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def wait_until(condition: Callable[[], bool]) -> None:
    """Until rows say so."""
    waiter = threading.Event()
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        waiter.wait(0.02)


def wait_for_step(job: TrainingJob) -> None:
    """Until the job's own events say that a step was recorded."""
    wait_until(TrainingEvent.objects.filter(job=job, type="metrics").exists)


def steps_of(job: TrainingJob) -> list[int]:
    return list(job.metric_points.filter(loss__isnull=False).values_list("step", flat=True))


def work_folders() -> list[str]:
    return sorted(path.name for path in settings.LLMLORA_HOME.work.iterdir())


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
    assert steps_of(job) == list(range(1, job.total_steps + 1))
    types = list(job.events.order_by("seq").values_list("type", flat=True))
    assert types[-1] == "finished"
    assert work_folders() == []


def test_a_job_is_measured_on_another_dataset_and_answers_its_questions(
    student: User, tiny: BaseModel
) -> None:
    job = make_tiny_job(student, tiny)
    measured = make_dataset_version(student, name="Unseen")
    TrainingJob.objects.filter(pk=job.pk).update(
        eval_dataset_version=measured, sample_prompts=["Who waters bed 1?"]
    )
    execution.run_waiting_jobs("worker")
    job.refresh_from_db()
    assert (job.status, job.error_code) == (Status.COMPLETED, "")
    assert (job.plan["example_count"], job.plan["eval_example_count"]) == (12, 12)
    assert job.baseline_loss is not None
    (question,) = sampled_prompts(job)
    assert {0, job.total_steps} <= {sample.step for sample in question.samples}


def test_a_job_whose_engine_is_killed_waits_a_moment_and_the_next_one_runs(
    student: User, other_student: User, tiny: BaseModel
) -> None:
    doomed = make_long_job(student, tiny)
    thread = run_in_background()
    wait_for_step(doomed)
    next_job = make_tiny_job(other_student, tiny)
    pid = engine().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    thread.join()
    doomed.refresh_from_db()
    assert (doomed.status, doomed.lost_attempts) == (Status.PENDING, 1)
    assert doomed.not_before is not None
    next_job.refresh_from_db()
    assert next_job.status == Status.COMPLETED


def test_a_job_that_only_waited_when_the_engine_was_killed_goes_on(
    student: User, other_student: User, tiny: BaseModel
) -> None:
    doomed = make_long_job(student, tiny, num_epochs=50)
    first = run_in_background()
    wait_for_step(doomed)
    # It has more left to do than the one that runs, so it waits.
    innocent = make_long_job(other_student, tiny)
    second = run_in_background()
    # The engine looks into a new job first; after that it knows which one is shorter.
    prepared = TrainingJob.objects.filter(pk=innocent.pk).exclude(plan={})
    wait_until(prepared.filter(status="running", stage="queued").exists)
    pid = engine().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_for_step(innocent)
    innocent.refresh_from_db()
    assert (innocent.status, innocent.attempt, innocent.lost_attempts) == (Status.RUNNING, 2, 0)
    lifecycle.request_cancel(innocent.pk)
    first.join()
    second.join()
    doomed.refresh_from_db()
    assert (doomed.status, doomed.lost_attempts) == (Status.PENDING, 1)


def test_a_job_that_kills_its_engine_each_time_fails_and_says_so(
    student: User, tiny: BaseModel
) -> None:
    doomed = make_long_job(student, tiny)
    TrainingJob.objects.filter(pk=doomed.pk).update(lost_attempts=2)
    thread = run_in_background()
    wait_for_step(doomed)
    pid = engine().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    thread.join()
    doomed.refresh_from_db()
    assert (doomed.status, doomed.error_code) == (Status.FAILED, "engine_died")
    assert "started again" in failure_sentence(doomed)


def test_a_short_job_does_not_wait_for_a_long_one(
    student: User, other_student: User, tiny: BaseModel
) -> None:
    long_job = make_long_job(student, tiny)
    thread = run_in_background()
    wait_for_step(long_job)
    short_job = make_tiny_job(other_student, tiny)
    execution.run_waiting_jobs("worker")
    short_job.refresh_from_db()
    long_job.refresh_from_db()
    assert (short_job.status, long_job.status) == (Status.COMPLETED, Status.RUNNING)
    lifecycle.request_cancel(long_job.pk)
    thread.join()
    assert not execution.is_training()


def test_a_worker_takes_no_more_jobs_than_it_may_hold(
    student: User, other_student: User, tiny: BaseModel, settings: LazySettings
) -> None:
    settings.JOBS_PER_DEVICE = 1
    held = make_long_job(student, tiny)
    thread = run_in_background()
    wait_for_step(held)
    waiting = make_tiny_job(other_student, tiny)
    assert execution.free_places() == 0
    execution.run_waiting_jobs("worker")
    waiting.refresh_from_db()
    assert waiting.status == Status.PENDING
    for job in (waiting, held):
        lifecycle.request_cancel(job.pk)
    thread.join()


def test_a_running_job_that_is_stopped_keeps_its_adapter(student: User, tiny: BaseModel) -> None:
    job = make_long_job(student, tiny)
    thread = run_in_background()
    wait_for_step(job)
    assert lifecycle.request_stop(job.pk)
    thread.join()
    job.refresh_from_db()
    assert (job.status, job.error_code) == (Status.COMPLETED, "")
    assert 0 < job.current_step < job.total_steps
    assert default_storage.exists(f"{job.adapter.prefix}/adapter_model.safetensors")
    sentence = job_log(job)[-1][1]
    assert sentence == f"Stopped by request after step {job.current_step}; the adapter is kept."
    assert work_folders() == []


def test_a_worker_that_stops_gives_its_job_back_and_it_goes_on_from_there(
    student: User, tiny: BaseModel, draining: threading.Event
) -> None:
    job = make_tiny_job(student, tiny, **LONG)
    thread = run_in_background()
    wait_for_step(job)
    draining.set()
    thread.join()
    job.refresh_from_db()
    assert (job.status, job.lost_attempts) == (Status.PENDING, 0)
    assert work_folders() == [f"{job.pk}-checkpoints"]
    draining.clear()
    execution.run_waiting_jobs("worker")
    job.refresh_from_db()
    assert (job.status, job.error_code) == (Status.COMPLETED, "")
    assert 0 < job.plan["resumed_step"] < job.total_steps
    assert steps_of(job) == list(range(1, job.total_steps + 1))
    assert work_folders() == []


def test_a_cancelled_job_ends_for_good_on_a_worker_that_stops(
    student: User, tiny: BaseModel, draining: threading.Event
) -> None:
    job = make_long_job(student, tiny)
    thread = run_in_background()
    wait_for_step(job)
    lifecycle.request_cancel(job.pk)
    draining.set()
    thread.join()
    job.refresh_from_db()
    assert job.status == Status.CANCELLED


def test_folders_of_jobs_that_need_them_no_more_are_swept(student: User) -> None:
    waiting = make_training_job(student)
    running, _lease = make_running_job(student)
    over = make_completed_job(student)
    kept = {
        f"{waiting.pk}-checkpoints",
        f"{running.pk}-checkpoints",
        f"{running.pk}-1",
        "dataset-draft",
    }
    swept = {
        f"{waiting.pk}-1",
        f"{running.pk}-2",
        f"{over.pk}-checkpoints",
        f"{uuid.uuid4()}-checkpoints",
    }
    for name in kept | swept:
        (settings.LLMLORA_HOME.work / name / "inner").mkdir(parents=True)
    execution.sweep_work_folders()
    assert set(work_folders()) == kept


def test_a_running_job_stops_when_asked_and_keeps_nothing(student: User, tiny: BaseModel) -> None:
    job = make_long_job(student, tiny)
    thread = run_in_background()
    wait_for_step(job)
    assert lifecycle.request_cancel(job.pk)
    thread.join()
    job.refresh_from_db()
    assert job.status == Status.CANCELLED
    assert not hasattr(job, "adapter")
    assert not default_storage.exists(f"jobs/{job.pk}/attempt-1/adapter_config.json")
    assert work_folders() == []


def test_a_job_that_was_given_to_another_worker_leaves_no_trace(
    student: User, tiny: BaseModel
) -> None:
    job = make_long_job(student, tiny)
    thread = run_in_background()
    wait_for_step(job)
    TrainingJob.objects.filter(pk=job.pk).update(lease_token="00000000-0000-4000-8000-000000000000")
    thread.join()
    job.refresh_from_db()
    assert job.status == Status.RUNNING
    assert not default_storage.exists(f"jobs/{job.pk}/attempt-1/adapter_config.json")


@pytest.mark.parametrize("field", ["dataset_version", "eval_dataset_version"])
def test_examples_that_are_all_too_long_are_a_failure_in_words(
    student: User, tiny: BaseModel, field: str
) -> None:
    dataset = make_dataset(
        student, name="Long", records=[{"instruction": "a" * 400, "output": "b"}]
    )
    job = make_tiny_job(student, tiny, max_length=64, overlong="drop")
    TrainingJob.objects.filter(pk=job.pk).update(**{field: latest_version(dataset)})
    execution.run_waiting_jobs("worker")
    job.refresh_from_db()
    assert (job.status, job.error_code) == (Status.FAILED, "dataset_unusable")
    sentence = failure_sentence(job)
    assert "Raise the maximum length" in sentence
    assert ("evaluation dataset" in sentence) == (field == "eval_dataset_version")


def test_a_model_without_biases_says_so(student: User, tiny: BaseModel) -> None:
    job = make_training_job(student, base_model=tiny, lora_config={"r": 2, "bias": "all"})
    execution.run_waiting_jobs("worker")
    job.refresh_from_db()
    assert (job.status, job.error_code) == (Status.FAILED, "unsupported_variant")
    assert "no biases" in failure_sentence(job)
