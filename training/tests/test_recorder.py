"""What the engine tells becomes fields, points and events; a resumed job tells its earlier steps again."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import User
from training import lifecycle
from training.lifecycle import Lease, Request
from training.models import TrainingJob
from training.progress.remaining import remaining_seconds
from training.progress.samples import sampled_prompts
from training.recorder import POINTS_PER_EVENT, JobRecorder
from training.selectors import job_log
from training.tests.factories import make_running_job, make_training_job, record_steps

pytestmark = pytest.mark.django_db
Stage = TrainingJob.Stage


def plan(**changes: Any) -> dict[str, Any]:
    return {
        "type": "plan",
        "work_id": "w",
        "total_steps": 75,
        "total_epochs": 5,
        "example_count": 12,
        "eval_example_count": 0,
        "truncated_count": 0,
        "cut_answer_count": 0,
        "dropped_count": 0,
        "resumed_step": 0,
        "token_count": 1234,
        "label_token_count": 345,
        "trainable_parameters": 2442240,
    } | changes


def stage(name: str) -> dict[str, Any]:
    return {"type": "stage", "work_id": "w", "stage": name}


def step(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "type": "step",
        "work_id": "w",
        "step": number,
        "epoch": number / 15,
        "loss": 2.0 - number / 1000,
        "learning_rate": 1e-3,
        "grad_norm": 1.0,
        "tokens_per_second": 200.0,
        "duration_seconds": 1.0,
    } | changes


def evaluation(number: int, loss: float) -> dict[str, Any]:
    return {
        "type": "evaluation",
        "work_id": "w",
        "step": number,
        "eval_loss": loss,
        "is_best": True,
    }


def sample(number: int, text: str, index: int = 0) -> dict[str, Any]:
    return {
        "type": "sample",
        "work_id": "w",
        "step": number,
        "index": index,
        "prompt": "Who?",
        "text": text,
    }


def tell(lease: Lease, *events: dict[str, Any]) -> Request:
    """All of it in one write."""
    recorder = JobRecorder(lease)
    for event in events:
        recorder.take(event)
    return recorder.write()


def sentences(job: TrainingJob) -> list[str]:
    return [sentence for _moment, sentence in job_log(job)]


def test_a_job_that_the_engine_holds_waits_for_the_device(student: User) -> None:
    job, lease = make_running_job(student)
    tell(lease, stage("queued"))
    job.refresh_from_db()
    assert (job.status, job.stage) == (TrainingJob.Status.RUNNING, Stage.QUEUED)
    assert remaining_seconds(job) is None
    assert sentences(job) == ["Waiting for a free device."]


def test_the_end_of_waiting_is_told(student: User) -> None:
    job, lease = make_running_job(student)
    tell(lease, stage("preparing"))
    assert sentences(job) == []
    tell(lease, stage("queued"), stage("preparing"))
    assert sentences(job)[-1] == "Loading the base model and turning the examples into tokens."


def test_no_time_left_is_told_of_a_job_that_waits_in_the_engine(student: User) -> None:
    job, lease = make_running_job(student, step_count=20)
    assert remaining_seconds(job) is not None
    tell(lease, stage("queued"))
    job.refresh_from_db()
    assert remaining_seconds(job) is None


def test_the_first_step_of_training_is_dated_once(student: User) -> None:
    job, lease = make_running_job(student)
    recorder = JobRecorder(lease)
    recorder.take(stage("training"))
    recorder.write()
    job.refresh_from_db()
    first = job.training_started_at
    for name in ("evaluating", "training"):
        recorder.take(stage(name))
    recorder.write()
    job.refresh_from_db()
    assert job.training_started_at == first is not None


def test_a_resumed_job_has_its_curves_back_at_once(student: User) -> None:
    job = make_training_job(student)
    lease = lifecycle.claim_next("worker")
    assert lease is not None
    count = POINTS_PER_EVENT + 5
    told = [step(number) for number in range(1, count + 1)]
    tell(lease, plan(resumed_step=count), *told, evaluation(count, 1.5), stage("training"))
    job.refresh_from_db()
    assert list(job.metric_points.values_list("step", flat=True)) == list(range(1, count + 1))
    assert (job.current_step, job.eval_loss) == (count, 1.5)
    assert job.best_loss == pytest.approx(2.0 - count / 1000)
    sizes = [
        len(payload["points"])
        for payload in job.events.filter(type="metrics").values_list("payload", flat=True)
    ]
    assert sizes == [POINTS_PER_EVENT, 5]
    assert any(f"goes on after step {count}" in sentence for sentence in sentences(job))


def test_steps_that_are_told_again_say_nothing_of_the_pace(student: User) -> None:
    job, lease = make_running_job(student)
    told = [step(number) for number in range(1, 31)]
    tell(lease, plan(resumed_step=30), *told, stage("training"))
    job.refresh_from_db()
    assert remaining_seconds(job) is None
    record_steps(lease, 31, 40)
    job.refresh_from_db()
    # The rows are one second apart, and 35 steps are left.
    assert remaining_seconds(job) == pytest.approx(35, abs=2)


def test_what_is_measured_again_stands_in_the_log_once(student: User) -> None:
    job, lease = make_running_job(student)
    for resumed_step in (0, 5):
        tell(lease, plan(resumed_step=resumed_step), evaluation(0, 3.0), evaluation(5, 2.0))
    measured = [sentence for sentence in sentences(job) if "Held-out" in sentence]
    assert measured == [
        "Held-out loss of the untouched base model: 3.000.",
        "Held-out loss after step 5: 2.000.",
    ]


def test_a_measurement_between_two_points_of_the_curve_has_its_epoch(student: User) -> None:
    job, lease = make_running_job(student)
    tell(lease, plan(), step(10), evaluation(12, 2.0), step(20))
    points = job.metric_points.values_list("step", "epoch", "loss", "eval_loss")
    assert list(points)[1] == (12, pytest.approx(12 / 15), None, 2.0)


def test_samples_are_kept_by_question_and_step_the_newest_first(student: User) -> None:
    job, lease = make_running_job(student, sample_prompts=["Who?", "Why?"])
    tell(lease, sample(0, "Nobody."), sample(0, "", index=1), sample(5, "Class\x00 1B."))
    tell(lease, sample(5, "Class 1B."))
    who, why = sampled_prompts(job)
    assert (who.prompt, why.prompt) == ("Who?", "Why?")
    assert [(item.step, item.text) for item in who.samples] == [(5, "Class 1B."), (0, "Nobody.")]
    assert [(item.step, item.text) for item in why.samples] == [(0, "")]
    assert sentences(job) == []


def test_questions_without_an_answer_yet_are_shown_too(student: User) -> None:
    job = make_training_job(student, sample_prompts=["Who?"])
    (question,) = sampled_prompts(job)
    assert (question.newest, question.earlier) == (None, ())
    assert sampled_prompts(make_training_job(student)) == []


def test_the_plan_tells_what_became_of_examples_that_are_too_long(student: User) -> None:
    job, lease = make_running_job(student)
    tell(lease, plan())
    tell(lease, plan(truncated_count=2, dropped_count=1, cut_answer_count=3))
    usual, long = sentences(job)
    assert "Shortened" not in usual
    assert "answer" not in usual
    assert "Shortened to the maximum length: 2." in long
    assert "3 answers were too long, so their ends are missing." in long
