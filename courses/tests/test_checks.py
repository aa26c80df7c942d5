"""Each predicate passes for who did it, and for nobody who only looks as if."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Cohort, Membership, User
from chat.models import Answerer, Vote
from chat.tests.factories import make_answer, make_message, make_tuned_session, reply_of
from courses.checks.datasets import leaks_into
from courses.checks.evaluating import EVALUATORS, evaluate
from courses.checks.findings import Finding, Outcome
from courses.checks.params import HIDDEN_GAIN
from courses.checks.situation import Situation
from courses.models import Enrolment, PageView, Reflection, StepProgress
from courses.selectors.content import content_of
from courses.starter import starter_records
from courses.tests.factories import enrol, publish_sample
from courses.tests.writing import HELLO
from courses.wording.checks import check_title
from courses.wording.reasons import reason_sentence
from datasets_app.selectors import latest_version
from datasets_app.services.creating import create_dataset
from training.models import MetricPoint, Sweep, TrainingJob
from training.tests.factories import make_completed_job, make_failed_job, make_running_job

pytestmark = pytest.mark.django_db
STARTER = starter_records(1, "train", "en")
OWN = [
    {"instruction": f"What grows in bed {n}?", "output": f"Bed {n} has beans."} for n in range(6)
]
EDITED = [STARTER[0] | {"output": "Fuji is as tall as my grandmother's stories."}, *STARTER[1:]]
Ask = Callable[..., Finding]


@pytest.fixture
def ask(tmp_path: Path, student: User) -> Ask:
    """What a predicate finds for the student, in a course that began an hour ago."""

    def find(predicate: str, **params: Any) -> Finding:
        step: dict[str, Any] = {
            "kind": "read",
            "minutes": 1,
            "checks": [{"key": "asked", "is": predicate, "with": params}],
        }
        if predicate == "reflection.cites":
            step |= {
                "kind": "reflect",
                "reflection": {
                    "prompt": {"en": "What?", "ja": "何？"},
                    "min_characters": {"en": 40, "ja": 20},
                },
            }
        Enrolment.objects.filter(user=student).delete()
        folder = tmp_path / uuid.uuid4().hex
        publish_sample(folder, {"asked": step}, level=3 if predicate == HIDDEN_GAIN else 1)
        enrolment = enrol(student, "sample")
        Enrolment.objects.update(started_at=timezone.now() - timedelta(hours=1))
        enrolment.refresh_from_db()
        for reflection in find.reflections:  # type: ignore[attr-defined]
            Reflection.objects.create(enrolment=enrolment, step_key="asked", **reflection)
        content = content_of(enrolment.version_id)
        progress = StepProgress(enrolment=enrolment, step_key="asked")
        finding = evaluate(Situation(enrolment, content, content.steps[0], progress))["asked"]
        _check_words(content.steps[0].checks[0], finding)
        return finding

    find.reflections = []  # type: ignore[attr-defined]
    return find


def _check_words(check: Any, finding: Finding) -> None:
    assert check_title(check)
    stored = {
        "outcome": finding.outcome.value,
        "reason": finding.reason,
        "observed": finding.observed,
        "wanted": finding.wanted,
    }
    assert bool(reason_sentence(stored)) == (finding.outcome != Outcome.PASS)


def dataset(owner: User, records: list[dict[str, str]], name: str = "Mine") -> Any:
    return latest_version(create_dataset(owner, name=name, records=records))


def is_passed(finding: Finding) -> bool:
    assert finding.outcome != Outcome.ERROR
    return finding.outcome == Outcome.PASS


PARAMS: dict[str, dict[str, Any]] = {
    "quiz.passed": {"right": 1},
    "job.eval_gain": {"min_nats": 0.1},
    "job.diagnosed": {"any_of": ["memorised"]},
    "jobs.differ_only_in": {"settings": ["lora_config.r"]},
    "sweep.completed": {"min_jobs": 2},
    "chat.pairs": {"min": 1},
    "chat.votes": {"min": 1},
    "prompts.gain": {"min_nats": 0.1},
    "hidden.gain": {"min_nats": 0.1},
}


@pytest.mark.parametrize("predicate", sorted(EVALUATORS))
def test_nothing_passes_for_who_did_nothing(ask: Ask, predicate: str) -> None:
    finding = ask(predicate, **PARAMS.get(predicate, {}))
    assert finding.outcome == Outcome.FAIL
    assert finding.reason


def test_the_work_of_others_passes_nothing(ask: Ask, student: User, other_student: User) -> None:
    job = make_completed_job(other_student, prediction="It will learn all of it.")
    session = make_tuned_session(other_student, job=job)
    message = make_message(session)
    make_answer(message, "Ada.")
    make_answer(message, "Ada.", target=Answerer.Kind.TUNED)
    PageView.objects.create(user=other_student, kind="job_running", subject_id=str(job.pk))
    for predicate in ("job.completed", "job.loss_dropped", "settings.predicted", "job.watched"):
        assert not is_passed(ask(predicate))
    assert not is_passed(ask("chat.pairs", min=1))


# --- datasets ---------------------------------------------------------------------------------------


def test_a_dataset_of_ones_own_passes(ask: Ask, student: User) -> None:
    dataset(student, OWN)
    assert is_passed(ask("dataset.valid", min_examples=5, edited=True))
    assert is_passed(ask("dataset.valid", min_examples=5, min_own_examples=6))


def test_an_edited_starter_set_passes(ask: Ask, student: User) -> None:
    dataset(student, EDITED)
    assert is_passed(ask("dataset.valid", min_examples=5, edited=True))


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        (STARTER, "dataset_not_own"),
        (STARTER[:4], "dataset_small"),
        ([record | {"output": record["output"].upper()} for record in STARTER], "dataset_not_own"),
        ([record | {"output": record["output"] + " !!"} for record in STARTER], "dataset_not_own"),
        (list(reversed(STARTER)), "dataset_not_own"),
        ([OWN[0]] * 6, "dataset_repeats"),
        (starter_records(2, "train", "ja")[:8], "dataset_not_own"),
    ],
    ids=[
        "untouched",
        "too few",
        "capitals",
        "punctuation",
        "other order",
        "one six times",
        "another level",
    ],
)
def test_a_dataset_without_work_does_not_pass(
    ask: Ask, student: User, records: list[dict[str, str]], reason: str
) -> None:
    dataset(student, records)
    assert ask("dataset.valid", min_examples=5, edited=True).reason == reason


def test_a_classmates_dataset_does_not_pass(ask: Ask, student: User, other_student: User) -> None:
    cohort = Cohort.objects.create(name="Class")
    for person in (student, other_student):
        Membership.objects.create(cohort=cohort, user=person)
    dataset(other_student, EDITED)
    dataset(student, EDITED)
    ask("dataset.valid")
    Enrolment.objects.update(cohort=cohort)
    enrolment = Enrolment.objects.get()
    content = content_of(enrolment.version_id)
    step = content.steps[0].model_copy(
        update={
            "checks": (content.steps[0].checks[0].model_copy(update={"params": {"edited": True}}),)
        }
    )
    situation = Situation(enrolment, content, step, StepProgress(enrolment=enrolment))
    assert evaluate(situation)["asked"].reason == "dataset_copied"


def test_training_on_the_evaluation_set_is_seen(ask: Ask, student: User) -> None:
    leaking = OWN + starter_records(1, "eval", "en")
    make_completed_job(student, dataset_version=dataset(student, leaking))
    assert ask("dataset.no_overlap", against="eval").reason == "dataset_leaks"


def test_a_system_text_before_it_hides_no_question(student: User) -> None:
    questions = starter_records(1, "eval", "en")
    hiding = [record | {"system": "You answer in one sentence."} for record in questions]
    assert leaks_into(1, "eval", dataset(student, OWN + hiding)) == len(questions)


def test_a_clean_dataset_overlaps_with_nothing(ask: Ask, student: User) -> None:
    make_completed_job(student, dataset_version=dataset(student, OWN))
    assert is_passed(ask("dataset.no_overlap", against="eval"))


@pytest.mark.parametrize("part", ["eval", "hidden"])
def test_answers_that_the_evaluation_shares_with_the_training_are_no_leak(
    student: User, part: str
) -> None:
    assert leaks_into(3, part, dataset(student, starter_records(3, "train", "en"))) == 0


# --- jobs -------------------------------------------------------------------------------------------


def test_a_completed_job_passes(ask: Ask, student: User) -> None:
    job = make_completed_job(student, dataset_version=dataset(student, OWN))
    finding = ask("job.completed", dataset="mine", min_steps=8)
    assert is_passed(finding)
    assert finding.proofs[0].subject_id == str(job.pk)


def test_a_job_from_before_the_course_does_not_pass(ask: Ask, student: User) -> None:
    job = make_completed_job(student)
    TrainingJob.objects.filter(pk=job.pk).update(created_at=timezone.now() - timedelta(hours=2))
    assert ask("job.completed").reason == "job_missing"


def test_a_failed_job_does_not_pass(ask: Ask, student: User) -> None:
    make_failed_job(student)
    assert ask("job.completed").reason == "job_not_completed"


def test_a_job_without_an_adapter_does_not_pass(ask: Ask, student: User) -> None:
    job = make_completed_job(student)
    job.adapter.delete()
    assert ask("job.completed").reason == "job_not_completed"


def test_a_job_under_way_is_waited_for_and_is_no_failure(ask: Ask, student: User) -> None:
    make_running_job(student)
    finding = ask("job.completed")
    assert (finding.outcome, finding.reason) == (Outcome.WAITING, "job_under_way")


def test_a_job_on_the_untouched_set_is_not_ones_own(ask: Ask, student: User) -> None:
    make_completed_job(student, dataset_version=dataset(student, STARTER))
    assert ask("job.completed", dataset="mine").reason == "job_starter_data"
    assert is_passed(ask("job.completed", dataset="starter"))


def test_a_job_on_another_persons_data_is_not_ones_own(
    ask: Ask, student: User, other_student: User
) -> None:
    make_completed_job(student, dataset_version=dataset(other_student, OWN))
    assert ask("job.completed", dataset="mine").reason == "job_foreign_data"


def test_other_settings_do_not_pass(ask: Ask, student: User) -> None:
    make_completed_job(student)
    assert not is_passed(ask("job.completed", settings={"lora_config.r": {"max": 4}}))
    assert is_passed(ask("job.completed", settings={"lora_config.r": {"min": 4}}))


def test_too_few_steps_do_not_pass(ask: Ask, student: User) -> None:
    make_completed_job(student)
    assert ask("job.completed", min_steps=1000).reason == "job_few_steps"


def test_a_loss_that_stays_where_it_was_does_not_pass(ask: Ask, student: User) -> None:
    job = make_completed_job(student)
    assert is_passed(ask("job.loss_dropped", ratio=0.5))
    MetricPoint.objects.filter(job=job).update(loss=1.98)
    assert ask("job.loss_dropped", ratio=0.5).reason == "job_loss_high"


def test_a_loss_that_is_no_number_does_not_pass(ask: Ask, student: User) -> None:
    job = make_completed_job(student)
    MetricPoint.objects.filter(job=job, step__gt=60).update(loss=None)
    MetricPoint.objects.filter(job=job, step__lte=60).update(loss=float("inf"))
    assert not is_passed(ask("job.loss_dropped", ratio=0.5))


def test_a_guess_counts_with_the_job_that_it_was_written_for(ask: Ask, student: User) -> None:
    make_completed_job(student, prediction="    .     ")
    assert not is_passed(ask("settings.predicted", min_characters=10))
    make_completed_job(student, prediction="The loss will fall below one.")
    assert is_passed(ask("settings.predicted", min_characters=10))


def test_held_out_gain_needs_held_out_examples(ask: Ask, student: User) -> None:
    job = make_completed_job(student)
    assert ask("job.eval_gain", min_nats=0.1).reason == "job_no_held_out"
    TrainingJob.objects.filter(pk=job.pk).update(baseline_loss=2.0, eval_loss=1.95)
    assert ask("job.eval_gain", min_nats=0.1).reason == "job_small_gain"
    MetricPoint.objects.filter(job=job, step=20).update(eval_loss=1.5)
    kept = job.training_config
    TrainingJob.objects.filter(pk=job.pk).update(training_config=kept | {"kept_adapter": "last"})
    assert not is_passed(ask("job.eval_gain", min_nats=0.1))
    TrainingJob.objects.filter(pk=job.pk).update(training_config=kept | {"kept_adapter": "best"})
    assert is_passed(ask("job.eval_gain", min_nats=0.1))


def test_jobs_must_differ_in_one_setting_only(ask: Ask, student: User) -> None:
    version = dataset(student, OWN)
    job = make_completed_job(student, dataset_version=version)
    wanted = {"settings": ["training_config.learning_rate"], "min": 2}
    same = job.training_config
    make_completed_job(student, dataset_version=version, training_config=same)
    assert not is_passed(ask("jobs.differ_only_in", **wanted))
    both = {"learning_rate": 5e-4, "num_epochs": same["num_epochs"] + 1}
    make_completed_job(student, dataset_version=version, training_config=same | both)
    assert not is_passed(ask("jobs.differ_only_in", **wanted))
    other_seed = {"learning_rate": 5e-4, "seed": same["seed"] + 1}
    make_completed_job(student, dataset_version=version, training_config=same | other_seed)
    assert not is_passed(ask("jobs.differ_only_in", **wanted))
    make_completed_job(student, training_config=same | {"learning_rate": 5e-4})
    assert not is_passed(ask("jobs.differ_only_in", **wanted))
    make_completed_job(
        student, dataset_version=version, training_config=same | {"learning_rate": 5e-4}
    )
    assert is_passed(ask("jobs.differ_only_in", **wanted))


def test_watching_is_noted_by_the_server_for_ones_own_job(ask: Ask, student: User) -> None:
    job = make_completed_job(student)
    PageView.objects.create(user=student, kind="job_running", subject_id=str(uuid.uuid4()))
    assert not is_passed(ask("job.watched"))
    PageView.objects.create(user=student, kind="job_running", subject_id=str(job.pk))
    assert is_passed(ask("job.watched"))


def test_a_sweep_counts_its_completed_jobs(ask: Ask, student: User) -> None:
    sweep = Sweep.objects.create(owner=student, name="Ranks", axes=[])
    make_completed_job(student, sweep=sweep)
    make_failed_job(student, sweep=sweep)
    assert not is_passed(ask("sweep.completed", min_jobs=2))
    make_completed_job(student, sweep=sweep)
    assert is_passed(ask("sweep.completed", min_jobs=2))


# --- chats ------------------------------------------------------------------------------------------


def both_answer(session: Any, text: str) -> Any:
    message = make_message(session, text)
    make_answer(message, "Ada waters it.", target=Answerer.Kind.TUNED)
    make_answer(message, "I do not know.")
    return message


def test_pairs_are_different_questions_that_both_answered(ask: Ask, student: User) -> None:
    session = make_tuned_session(student)
    both_answer(session, "Who waters bed 3?")
    assert is_passed(ask("chat.pairs", min=1))
    both_answer(session, "who waters bed 3 ???")
    assert not is_passed(ask("chat.pairs", min=2))
    both_answer(session, "Who waters bed 4?")
    assert is_passed(ask("chat.pairs", min=2))


def test_one_answer_alone_is_no_pair(ask: Ask, student: User) -> None:
    message = make_message(make_tuned_session(student))
    make_answer(message, "Ada.", target=Answerer.Kind.TUNED)
    assert not is_passed(ask("chat.pairs", min=1))
    reply = reply_of(message)
    reply.status = reply.Status.FAILED
    reply.save()
    assert not is_passed(ask("chat.pairs", min=1))


def test_votes_count_once_a_question_and_blind_ones_when_asked(ask: Ask, student: User) -> None:
    session = make_tuned_session(student)
    for text in ("Who waters bed 3?", "Who waters bed 3!"):
        Vote.objects.create(
            message=both_answer(session, text), verdict=Vote.Verdict.TIE, was_blind=False
        )
    assert is_passed(ask("chat.votes", min=1))
    assert not is_passed(ask("chat.votes", min=2))
    assert not is_passed(ask("chat.votes", min=1, blind=True))


def test_a_correction_must_stand_in_a_dataset(ask: Ask, student: User) -> None:
    message = both_answer(make_tuned_session(student), "Who waters bed 3?")
    reply = reply_of(message, Answerer.Kind.TUNED)
    assert ask("chat.corrected").reason == "chat_not_corrected"
    reply.corrected_text = "Ben waters bed 3 on Fridays."
    reply.save()
    assert ask("chat.corrected").reason == "correction_not_added"
    dataset(student, [*OWN, {"instruction": message.text, "output": reply.corrected_text}])
    assert is_passed(ask("chat.corrected"))


# --- lessons ----------------------------------------------------------------------------------------


def test_a_reflection_needs_words_and_own_jobs(
    ask: Ask, student: User, other_student: User
) -> None:
    own, foreign = make_completed_job(student), make_completed_job(other_student)
    text = "I expected a loss near one, and in my job it fell from 2.4 to 0.2 within thirty steps."
    for reflection, reason in (
        ({"text": "Fine.", "job_ids": [str(own.pk)]}, "reflection_short"),
        ({"text": "good " * 60, "job_ids": [str(own.pk)]}, "reflection_short"),
        ({"text": "......!!!" * 60, "job_ids": [str(own.pk)]}, "reflection_short"),
        ({"text": text, "job_ids": []}, "reflection_cites_few"),
        ({"text": text, "job_ids": [str(foreign.pk)]}, "reflection_cites_few"),
    ):
        ask.reflections = [reflection]  # type: ignore[attr-defined]
        assert ask("reflection.cites", jobs=1).reason == reason
    ask.reflections = [{"text": text, "job_ids": [str(own.pk)]}]  # type: ignore[attr-defined]
    assert is_passed(ask("reflection.cites", jobs=1))


def test_a_check_blocks_those_that_need_it(tmp_path: Path, student: User) -> None:
    checks = [
        {"key": "first", "is": "job.completed"},
        {"key": "second", "is": "job.loss_dropped", "needs": ["first"]},
    ]
    publish_sample(tmp_path, {"asked": HELLO | {"checks": checks}})
    enrolment = enrol(student, "sample")
    content = content_of(enrolment.version_id)
    progress = StepProgress(enrolment=enrolment, step_key="asked")
    findings = evaluate(Situation(enrolment, content, content.steps[0], progress))
    assert [finding.outcome for finding in findings.values()] == [Outcome.FAIL, Outcome.BLOCKED]


def test_an_error_of_ours_is_no_failure_of_the_student(ask: Ask, student: User) -> None:
    version = dataset(student, OWN)
    type(version).objects.filter(pk=version.pk).update(file="gone.jsonl", digest="f" * 64)
    finding = ask("dataset.valid", min_examples=5, edited=True)
    assert finding.outcome == Outcome.ERROR
