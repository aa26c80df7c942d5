"""How far a job is: its phases, the time that is left, its attempts, and what changes in its answers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from engine.config import TrainingHyperparameters
from training import lifecycle
from training.fragments import render_pieces
from training.lifecycle import Lease, Progress
from training.models import MetricPoint, TrainingJob
from training.progress.attempts import attempt_sentences, checkpoint_step, resume_sentence
from training.progress.phases import job_phases
from training.progress.remaining import remaining_seconds
from training.progress.samples import Sample, SampledPrompt, word_changes
from training.selectors import job_log
from training.tests.factories import (
    make_completed_job,
    make_failed_job,
    make_running_job,
    make_training_job,
    record_steps,
)

pytestmark = pytest.mark.django_db
Stage = TrainingJob.Stage
MEASURED = TrainingHyperparameters.from_mapping({"eval_fraction": 0.2}).to_dict()


def changed(job: TrainingJob, **fields: Any) -> TrainingJob:
    TrainingJob.objects.filter(pk=job.pk).update(**fields)
    job.refresh_from_db()
    return job


def states(job: TrainingJob) -> dict[str, str]:
    return {phase.label: phase.state for phase in job_phases(job)}


def tell(lease: Lease, kind: str, **payload: Any) -> None:
    lifecycle.record(lease, Progress(events=[(kind, payload)]))


# --- phases -------------------------------------------------------------------------------------------


def test_a_job_that_does_not_measure_has_no_phases_of_measuring(student: User) -> None:
    assert states(make_training_job(student)) == {
        "In the queue": "current",
        "Preparing": "open",
        "Training": "open",
        "Saving": "open",
    }


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        (Stage.PREPARING, ["done", "current", "open", "open", "open", "open"]),
        (Stage.BASELINE, ["done", "done", "current", "open", "open", "open"]),
        (Stage.TRAINING, ["done", "done", "done", "current", "open", "open"]),
        (Stage.EVALUATING, ["done", "done", "done", "started", "current", "open"]),
        (Stage.SAVING, ["done", "done", "done", "done", "done", "current"]),
        # What was asked stands in the place of the stage.
        (Stage.STOPPING, ["done", "done", "done", "current", "open", "open"]),
    ],
)
def test_the_phases_follow_the_stage(student: User, stage: str, expected: list[str]) -> None:
    job, _lease = make_running_job(student, training_config=MEASURED, step_count=10)
    assert list(states(changed(job, stage=stage)).values()) == expected


def test_the_phases_of_a_job_that_is_over_tell_where_it_ended(student: User) -> None:
    assert set(states(make_completed_job(student)).values()) == {"done"}
    assert states(make_failed_job(student))["Training"] == "ended"
    job = make_training_job(student)
    lifecycle.request_cancel(job.pk)
    job.refresh_from_db()
    assert states(job)["In the queue"] == "ended"


# --- the time that is left ----------------------------------------------------------------------------


def test_the_evaluations_on_the_way_count(student: User) -> None:
    job, lease = make_running_job(student, training_config=MEASURED, total_steps=75)
    record_steps(lease, 1, 40)
    # Each epoch is 15 steps of one second, and each of the two evaluations so far took ten more.
    shift_from(job, 15, seconds=10, eval_loss=1.0)
    shift_from(job, 30, seconds=10, eval_loss=1.0)
    job.refresh_from_db()
    # 35 steps and the evaluations after 45, 60 and 75 are left.
    assert remaining_seconds(job) == pytest.approx(35 + 3 * 10, abs=2)


def shift_from(job: TrainingJob, step: int, *, seconds: float, eval_loss: float) -> None:
    """As if an evaluation after this step had taken so long: all steps before it lie further back."""
    MetricPoint.objects.filter(job=job, step=step).update(eval_loss=eval_loss)
    for point in MetricPoint.objects.filter(job=job, step__lt=step):
        point.recorded_at -= timedelta(seconds=seconds)
        point.save()


def test_before_the_first_evaluation_the_one_of_the_base_model_tells_its_cost(
    student: User,
) -> None:
    job, lease = make_running_job(student, training_config=MEASURED)
    tell(lease, "stage", stage="baseline")
    tell(lease, "stage", stage="training")
    begun = job.events.get(payload__stage="baseline")
    job.events.filter(pk=begun.pk).update(created_at=begun.created_at - timedelta(seconds=8))
    record_steps(lease, 1, 10)
    job.refresh_from_db()
    assert remaining_seconds(job) == pytest.approx(65 + 5 * 8, abs=2)


def test_a_job_that_is_measured_after_every_step_has_an_estimate_too(student: User) -> None:
    config = TrainingHyperparameters.from_mapping({"eval_fraction": 0.2, "eval_steps": 1})
    job, lease = make_running_job(student, training_config=config.to_dict())
    record_steps(lease, 1, 20)
    MetricPoint.objects.filter(job=job).update(eval_loss=1.0)
    job.refresh_from_db()
    assert remaining_seconds(job) == pytest.approx(55, abs=2)


def test_while_it_evaluates_the_time_left_is_told_and_includes_it(student: User) -> None:
    job, lease = make_running_job(student, training_config=MEASURED)
    record_steps(lease, 1, 15)
    shift_from(job, 15, seconds=0, eval_loss=1.0)
    training = remaining_seconds(changed(job, stage=Stage.TRAINING))
    assert training == pytest.approx(60, abs=2)
    assert remaining_seconds(changed(job, stage=Stage.EVALUATING)) is not None
    assert remaining_seconds(changed(job, stage=Stage.SAVING)) is None


# --- attempts and resuming ----------------------------------------------------------------------------


def test_a_second_attempt_says_why_and_where_it_went_on(student: User) -> None:
    job, _lease = make_running_job(student, step_count=45)
    assert attempt_sentences(job) == []
    changed(job, attempt=2, lost_attempts=1, plan={"resumed_step": 40})
    assert attempt_sentences(job) == [
        "Started again after a worker was lost: attempt 2.",
        "It went on after step 40, from its last checkpoint.",
    ]
    changed(job, attempt=3, lost_attempts=0, plan={})
    assert attempt_sentences(job) == [
        "Started again: attempt 3.",
        "It began anew, because there was no checkpoint.",
    ]


def test_a_cancelled_job_says_where_it_would_go_on(student: User) -> None:
    job, lease = make_running_job(student, step_count=45)
    for step in (20, 40):
        tell(lease, "checkpoint", step=step)
    tell(lease, "checkpoint", step=44, failed=True)
    lifecycle.finish_cancelled(lease)
    job.refresh_from_db()
    assert checkpoint_step(job) == 40
    assert "it goes on after step 40" in resume_sentence(job)
    outcome = render_pieces(job, ["outcome", "actions"])
    assert "it goes on after step 40" in outcome
    assert 'form="resume-form"' in outcome
    # Then its checkpoint is collected.
    changed(job, completed_at=timezone.now() - timedelta(hours=25))
    assert "begins anew" in resume_sentence(job)


def test_a_checkpoint_of_an_attempt_that_was_given_up_does_not_count(student: User) -> None:
    job, lease = make_running_job(student, step_count=12)
    tell(lease, "checkpoint", step=40)
    tell(lease, "stage", stage="preparing", plan={"resumed_step": 0})
    lifecycle.finish_cancelled(lease)
    job.refresh_from_db()
    assert checkpoint_step(job) == 0


def test_a_job_whose_settings_are_the_reason_can_not_be_resumed(student: User) -> None:
    job = make_failed_job(student, code="diverged", params={"step": 3})
    assert resume_sentence(job) == ""
    assert "resume-form" not in render_pieces(job, ["actions"])


def test_the_log_tells_the_last_checkpoint_and_every_failed_one(student: User) -> None:
    job, lease = make_running_job(student)
    for step in (10, 20):
        tell(lease, "checkpoint", step=step)
    tell(lease, "checkpoint", step=30, failed=True)
    tell(lease, "checkpoint", step=40)
    assert [sentence for _moment, sentence in job_log(job)] == [
        "There was no space for a checkpoint after step 30; the one before stays.",
        "A checkpoint was saved after step 40.",
    ]


@pytest.mark.parametrize(
    ("payload", "sentence"),
    [
        ({"attempt": 1}, "The worker gave the job back; it waits for the next free device."),
        (
            {"attempt": 1, "is_lost": True},
            "The worker was lost; the job waits for the next free device.",
        ),
        ({"is_resumed": True}, "The job was resumed; it waits for the next free device."),
        ({}, "Waiting for a free device."),
    ],
)
def test_the_log_tells_why_a_job_waits_again(
    student: User, payload: dict[str, Any], sentence: str
) -> None:
    job, lease = make_running_job(student)
    tell(lease, "stage", stage="queued", **payload)
    assert job_log(job)[-1][1] == sentence


def test_the_api_resumes_what_may_end_better(
    student: User, other_student: User, client_of: Callable[[User], Client]
) -> None:
    browser = client_of(student)
    job = make_failed_job(student, code="worker_lost")
    answer = browser.post(f"/api/training/jobs/{job.pk}/resume")
    assert (answer.status_code, answer.json()["status"]) == (202, "pending")
    diverged = make_failed_job(student, code="diverged", params={"step": 3})
    answer = browser.post(f"/api/training/jobs/{diverged.pk}/resume")
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    theirs = make_failed_job(other_student, code="worker_lost")
    assert browser.post(f"/api/training/jobs/{theirs.pk}/resume").status_code == 404


# --- answers ------------------------------------------------------------------------------------------


def marked(old: str, new: str) -> str:
    signs = {"same": "{}", "added": "+{}+", "removed": "-{}-"}
    return "".join(signs[change.kind].format(change.text) for change in word_changes(old, new))


def test_words_that_changed_are_found(student: User) -> None:
    assert marked("Class 2B waters it.", "Class 1B waters it.") == "Class -2B-+1B+ waters it."
    assert marked("a b", "a b c") == "a b+ c+"
    assert marked("1年A組が水をやる。", "1年B組が水をやる。") == "1年-A-+B+組が水をやる。"


def test_answers_without_anything_in_common_are_not_compared() -> None:
    assert word_changes("Nobody knows.", "1年B組が水をやります") == ()
    assert word_changes("same", "same") == ()


def test_very_long_answers_are_not_compared() -> None:
    assert word_changes("word " * 5000, "word " * 4999) == ()


def test_the_base_models_answer_stands_beside_the_newest() -> None:
    samples = [Sample(10, "c"), Sample(5, "b"), Sample(0, "a")]
    item = SampledPrompt("Who?", tuple(samples))
    assert (item.newest, item.base, item.between) == (samples[0], samples[2], (samples[1],))
    alone = SampledPrompt("Who?", (Sample(0, "a"),))
    assert (alone.newest, alone.base, alone.difference) == (Sample(0, "a"), None, None)
    unmeasured = SampledPrompt("Who?", (Sample(10, "c"), Sample(5, "b")))
    assert (unmeasured.base, unmeasured.between) == (None, (Sample(5, "b"),))
