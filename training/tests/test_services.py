"""What a person may ask of training, and what is said where the answer is no."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from common.errors import ConflictError, InvalidInputError
from engine.config import LoraHyperparameters, TrainingHyperparameters
from modelhub.lifecycle import report_worker
from modelhub.models import Worker
from training import lifecycle
from training.models import TrainingJob
from training.preflight.size import plan_training_job
from training.sample_prompts import MAX_SAMPLE_PROMPT_CHARACTERS, MAX_SAMPLE_PROMPTS
from training.services.creating import create_training_job
from training.services.ending import cancel_training_job, stop_training_job
from training.services.ordering import JobOrder
from training.tests.factories import (
    make_base_model,
    make_completed_job,
    make_dataset_version,
    make_running_job,
    make_training_job,
)

pytestmark = pytest.mark.django_db
Stage = TrainingJob.Stage


def create(owner: User, **changes: Any) -> TrainingJob:
    values: dict[str, Any] = {
        "name": "Garden",
        "base_model_name": make_base_model().name,
        "lora_config": {},
        "training_config": {},
    } | changes
    values.setdefault("dataset_id", make_dataset_version(owner).dataset_id)
    key = values.pop("idempotency_key", "")
    return create_training_job(owner, JobOrder(**values), idempotency_key=key)


def fault_of(owner: User, **changes: Any) -> tuple[str | None, str]:
    """The field and the sentence of the only fault."""
    with pytest.raises(InvalidInputError) as refusal:
        create(owner, **changes)
    (fault,) = refusal.value.faults
    return fault.field, str(fault.message)


# --- evaluation dataset ---------------------------------------------------------------------------


def test_a_job_is_measured_on_another_dataset(student: User) -> None:
    measured = make_dataset_version(student, name="Unseen")
    job = create(student, eval_dataset_id=measured.dataset_id)
    assert TrainingJob.objects.get(pk=job.pk).eval_dataset_version == measured


def test_the_evaluation_dataset_of_somebody_else_is_not_there(
    student: User, other_student: User
) -> None:
    theirs = make_dataset_version(other_student)
    field, _sentence = fault_of(student, eval_dataset_id=theirs.dataset_id)
    assert field == "eval_dataset_id"


@pytest.mark.parametrize("nonsense", ["", "no-id"])
def test_an_evaluation_dataset_that_is_no_id_is_not_there(student: User, nonsense: str) -> None:
    assert fault_of(student, eval_dataset_id=nonsense)[0] == "eval_dataset_id"


def test_the_dataset_that_is_learned_is_not_measured_on(student: User) -> None:
    dataset_id = make_dataset_version(student).dataset_id
    field, sentence = fault_of(student, dataset_id=dataset_id, eval_dataset_id=str(dataset_id))
    assert field == "eval_dataset_id"
    assert "by heart" in sentence


def test_examples_are_held_out_in_one_way_only(student: User) -> None:
    measured = make_dataset_version(student, name="Unseen")
    field, sentence = fault_of(
        student, eval_dataset_id=measured.dataset_id, training_config={"eval_fraction": 0.1}
    )
    assert field == "training_config.eval_fraction"
    assert "Set the held-out share to 0" in sentence


def test_an_evaluation_dataset_takes_nothing_from_the_training(student: User) -> None:
    version = make_dataset_version(student)
    measured = make_dataset_version(student, name="Unseen")
    plan = plan_training_job(
        base_model=make_base_model(),
        dataset_version=version,
        eval_dataset_version=measured,
        lora=LoraHyperparameters(),
        training=TrainingHyperparameters(batch_size=4, num_epochs=2),
    )
    assert (plan.example_count, plan.eval_example_count) == (12, 12)
    assert (plan.steps_per_epoch, plan.total_steps) == (3, 6)


# --- sample questions -----------------------------------------------------------------------------


def test_questions_are_taken_without_blank_ones(student: User) -> None:
    job = create(student, sample_prompts=["  Who waters bed 1? ", "", " \n", "誰が？"])
    assert job.sample_prompts == ["Who waters bed 1?", "誰が？"]


def test_as_many_and_as_long_questions_as_there_may_be_are_taken(student: User) -> None:
    longest = "x" * MAX_SAMPLE_PROMPT_CHARACTERS
    job = create(student, sample_prompts=[longest] * MAX_SAMPLE_PROMPTS)
    assert len(job.sample_prompts) == MAX_SAMPLE_PROMPTS


@pytest.mark.parametrize(
    ("prompts", "limit"),
    [
        (["Why?"] * (MAX_SAMPLE_PROMPTS + 1), MAX_SAMPLE_PROMPTS),
        (["x" * (MAX_SAMPLE_PROMPT_CHARACTERS + 1)], MAX_SAMPLE_PROMPT_CHARACTERS),
    ],
)
def test_too_many_or_too_long_questions_are_refused_with_the_limit(
    student: User, prompts: list[str], limit: int
) -> None:
    field, sentence = fault_of(student, sample_prompts=prompts)
    assert field == "sample_prompts"
    assert str(limit) in sentence


# --- QLoRA ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", ["cpu", "mps"])
def test_without_an_nvidia_gpu_qlora_is_refused_with_what_to_choose(
    student: User, device: str
) -> None:
    report_worker("laptop", Worker.State.READY, device=device)
    field, sentence = fault_of(student, lora_config={"variant": "qlora"})
    assert field == "lora_config.variant"
    assert "Choose LoRA instead" in sentence


def test_a_gpu_that_fell_silent_does_not_count(student: User) -> None:
    report_worker("tower", Worker.State.READY, device="cuda")
    Worker.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=5))
    assert fault_of(student, lora_config={"variant": "qlora"})[0] == "lora_config.variant"


@pytest.mark.parametrize("state", [Worker.State.READY, Worker.State.BUSY])
def test_with_an_nvidia_gpu_qlora_is_taken(student: User, state: Worker.State) -> None:
    report_worker("laptop", Worker.State.READY, device="cpu")
    report_worker("tower", state, device="cuda")
    assert create(student, lora_config={"variant": "qlora"}).lora.variant == "qlora"


# --- stop and keep --------------------------------------------------------------------------------


def test_a_running_job_is_asked_once_to_finish_and_keep(student: User) -> None:
    job, _lease = make_running_job(student, step_count=3)
    asked_at = stop_training_job(job).stop_requested_at
    assert job.stage == Stage.STOPPING
    assert stop_training_job(job).stop_requested_at == asked_at
    assert job.status == TrainingJob.Status.RUNNING


def test_a_cancel_wins_over_a_stop(student: User) -> None:
    job, lease = make_running_job(student, step_count=3)
    stop_training_job(job)
    assert cancel_training_job(job).stage == Stage.CANCELLING
    with pytest.raises(ConflictError, match="cancelled already"):
        stop_training_job(job)
    assert lifecycle.record(lease, lifecycle.Progress()) is lifecycle.Request.CANCEL


def test_what_has_not_started_is_cancelled_instead(student: User) -> None:
    job = make_training_job(student)
    with pytest.raises(ConflictError, match="Cancel it instead"):
        stop_training_job(job)
    assert job.stop_requested_at is None


def test_what_is_over_is_not_stopped(student: User) -> None:
    with pytest.raises(ConflictError, match="over already"):
        stop_training_job(make_completed_job(student))


def test_a_job_that_went_back_to_the_queue_was_asked_already(student: User) -> None:
    job, lease = make_running_job(student, step_count=3)
    stop_training_job(job)
    lifecycle.release(job.pk, lease.token)
    assert stop_training_job(job).status == TrainingJob.Status.PENDING
