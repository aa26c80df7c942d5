"""A run puts its questions few at a time, survives what goes wrong, and is judged once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from accounts.models import Cohort, Membership, Notification, User
from chat import lifecycle
from chat.models import ChatSession, PromptRun, Reply
from chat.prompt_sets.evidence import finished_runs
from chat.prompt_sets.running import MAX_AT_ONCE, advance, advance_unfinished
from chat.queueing import Line, next_replies
from chat.services.prompt_runs import RunOrder, cancel_run, delete_run, start_run
from chat.services.sending import send_message
from chat.tests.factories import make_base_session, start_reply
from chat.tests.prompt_factories import (
    answer_all,
    answer_reply,
    make_run,
    make_set,
    waiting_replies,
)
from common.errors import ConflictError, InvalidInputError, NotFoundError
from datasets_app.tests.factories import make_dataset
from modelhub.models import BaseModel
from training.models import JobShare
from training.tests.factories import (
    make_base_model,
    make_completed_job,
    make_training_job,
)

pytestmark = pytest.mark.django_db

State = PromptRun.State


def status_counts(run: PromptRun) -> dict[str, int]:
    rows = Reply.objects.filter(message__session=run.session_id)
    return {status: rows.filter(status=status).count() for status in Reply.Status.values}


def fail_reply(reply: Reply, code: str = "worker_stopped") -> None:
    lifecycle.fail(start_reply(reply), code)


def test_two_hundred_questions_are_put_few_at_a_time_and_all_answered(student: User) -> None:
    run = make_run(student, count=200)
    assert len(waiting_replies(run)) == MAX_AT_ONCE
    most = 0
    while replies := waiting_replies(run):
        most = max(most, len(replies))
        # Some end while others still wait; written at once, since there are eight hundred of them.
        ended = [reply.pk for reply in replies[:5]]
        Reply.objects.filter(pk__in=ended).update(status="completed", text="Class 1B.", loss=1.0)
        advance(run.pk)
    run.refresh_from_db()
    assert most == MAX_AT_ONCE
    assert run.state == State.COMPLETED
    assert run.session.messages.count() == 200
    assert status_counts(run)["completed"] == 200 * 2 * 2
    assert len(run.results["answers"]) == 200


def test_a_run_is_judged_against_the_hoped_for_answers(student: User) -> None:
    run = answer_all(make_run(student, count=10))
    tuned, base = run.results["summary"]
    assert (tuned["exact"]["mean"], base["exact"]["mean"]) == (1, 0)
    assert tuned["similarity"]["mean"] > 50 > base["similarity"]["mean"]
    assert (tuned["loss"]["mean"], base["loss"]["mean"]) == (0.5, 2.0)
    difference = run.results["differences"][0]
    assert difference["baseline"] == 1
    assert {difference[name]["verdict"] for name in ("exact", "similarity", "loss")} == {"better"}
    assert difference["exact"]["wins"] == 10
    assert run.results["differences"][1] == {
        "baseline": None,
        "exact": None,
        "similarity": None,
        "loss": None,
    }


def test_three_questions_are_too_few_to_tell(student: User) -> None:
    run = answer_all(make_run(student, count=3))
    assert run.results["differences"][0]["exact"]["verdict"] == "unclear"


def test_advancing_again_and_again_puts_nothing_twice(student: User) -> None:
    run = make_run(student, count=5)
    for _again in range(3):
        advance(run.pk)
    assert len(waiting_replies(run)) == MAX_AT_ONCE
    assert run.session.messages.count() == 2
    answer_all(run)
    advance(run.pk)
    assert run.session.messages.count() == 5
    assert Notification.objects.filter(user=student, subject=str(run.pk)).count() == 1


@pytest.mark.django_db(transaction=True)
def test_workers_that_go_on_with_a_run_at_once_put_nothing_twice(student: User) -> None:
    run = make_run(student, count=5)
    for reply in waiting_replies(run):
        answer_reply(reply, "Class 1B.")

    def go_on(_number: int) -> None:
        try:
            advance(run.pk)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(go_on, range(8)))
    assert len(waiting_replies(run)) == MAX_AT_ONCE
    assert run.session.messages.count() == 4


def test_the_owner_is_told_at_the_end(student: User) -> None:
    run = answer_all(make_run(student))
    (notification,) = student.notifications.filter(kind="prompt_run_completed")
    assert notification.path == f"/chat/prompt-runs/{run.pk}/"


def test_the_end_of_a_reply_puts_the_next_question(
    student: User, django_capture_on_commit_callbacks: Callable[..., Any], monkeypatch: Any
) -> None:
    from chat.prompt_sets import waking

    woken: list[str] = []
    monkeypatch.setattr(waking, "poke", lambda _task, run_id: woken.append(run_id))
    run = make_run(student)
    with django_capture_on_commit_callbacks(execute=True):
        answer_reply(waiting_replies(run)[0], "Class 0B.")
    assert woken == [str(run.pk)]
    chat = make_base_session(student)
    message = send_message(chat, text="Hello")
    with django_capture_on_commit_callbacks(execute=True):
        answer_reply(message.replies.get(), "Hi")
    assert len(woken) == 1


def test_the_patrol_goes_on_with_every_run(student: User, other_student: User) -> None:
    runs = [make_run(student), make_run(other_student)]
    for run in runs:
        for reply in waiting_replies(run):
            answer_reply(reply, "Class 0B.")
    advance_unfinished()
    assert all(waiting_replies(run) for run in runs)


def test_a_lost_answer_is_tried_once_more(student: User) -> None:
    run = make_run(student, count=1)
    lost = next(reply for reply in waiting_replies(run) if not reply.scored_text)
    fail_reply(lost)
    advance(run.pk)
    again = next(reply for reply in waiting_replies(run) if reply.take > 2)
    assert (again.answerer_id, again.is_chosen) == (lost.answerer_id, True)
    fail_reply(again)
    answer_all(run)
    (answers,) = run.results["answers"]
    assert [answer["status"] for answer in answers] == ["failed", "completed"]
    assert answers[0]["error_code"] == "worker_stopped"
    assert run.state == State.COMPLETED


def test_what_would_fail_again_is_not_tried_again(student: User) -> None:
    run = make_run(student, count=1)
    for reply in waiting_replies(run):
        fail_reply(reply, "prompt_too_long")
    advance(run.pk)
    run.refresh_from_db()
    assert run.state == State.COMPLETED
    assert run.results["summary"][0]["answered"] == 0


def test_a_stopped_run_keeps_what_was_answered(student: User) -> None:
    run = make_run(student, count=6)
    for reply in waiting_replies(run):
        answer_reply(reply, "Class 0B.")
    advance(run.pk)
    assert cancel_run(run)
    assert not cancel_run(run)
    advance(run.pk)
    run.refresh_from_db()
    assert run.state == State.CANCELLED
    assert run.completed_at is not None
    assert run.results["summary"][0]["answered"] == 2
    assert [answers[0]["status"] for answers in run.results["answers"]] == [
        *["completed"] * 2,
        *["cancelled"] * 2,
        *["not_asked"] * 2,
    ]
    assert not student.notifications.filter(kind="prompt_run_completed").exists()
    assert finished_runs(student) == []


def test_a_running_answer_of_a_stopped_run_is_waited_for(student: User) -> None:
    run = make_run(student, count=1)
    lease = start_reply(waiting_replies(run)[0])
    cancel_run(run)
    advance(run.pk)
    run.refresh_from_db()
    assert run.completed_at is None
    lifecycle.finish_cancelled(lease)
    advance(run.pk)
    run.refresh_from_db()
    assert run.completed_at is not None


def test_the_others_go_on_when_a_job_is_deleted_in_between(student: User) -> None:
    job = make_completed_job(student)
    run = make_run(student, job=job, count=5)
    for reply in waiting_replies(run):
        answer_reply(reply, "Class 0B.")
    job.delete()
    advance(run.pk)
    run = answer_all(run)
    assert run.state == State.COMPLETED
    tuned = [answers[0]["status"] for answers in run.results["answers"]]
    assert tuned == ["completed"] * 2 + ["not_asked"] * 3
    assert run.results["summary"][1]["answered"] == 5
    assert run.results["models"][0]["adapter_digest"] == "0" * 64
    (evidence,) = finished_runs(student)
    assert evidence.has(job.pk)


def test_a_run_ends_when_all_its_models_are_gone(student: User) -> None:
    job = make_completed_job(student)
    run = make_run(student, job=job, count=3, models=[f"job-{job.pk}"])
    for reply in waiting_replies(run):
        answer_reply(reply, "Class 0B.")
    job.delete()
    advance(run.pk)
    run.refresh_from_db()
    assert run.state == State.COMPLETED


def test_a_deleted_run_is_left_alone(student: User) -> None:
    run = make_run(student)
    run_id = run.pk
    delete_run(run)
    advance(run_id)
    assert not ChatSession.objects.exists()


def test_no_loss_is_asked_of_a_model_on_another_server(student: User) -> None:
    job = make_completed_job(student)
    remote = BaseModel.objects.create(
        name="far-away", source=BaseModel.Source.SERVER, digest="1" * 64, is_enabled=True
    )
    run = make_run(student, job=job, count=1, models=[remote.name])
    assert [reply.scored_text for reply in waiting_replies(run)] == [""]


def test_without_references_nothing_is_measured(student: User) -> None:
    from chat.prompt_sets.items import Item
    from chat.services.prompt_sets import create_set

    prompt_set = create_set(student, name="Open", items=[Item("Tell a story.")])
    run = make_run(student, set_id=prompt_set.pk)
    assert len(waiting_replies(run)) == 2
    run = answer_all(run, lambda _reply: "Once upon a time.")
    assert run.results["summary"][0]["exact"] is None
    assert run.results["differences"][0]["loss"] is None


def test_chats_of_the_same_person_come_before_a_run(student: User, other_student: User) -> None:
    run = make_run(student, count=5)
    mine = send_message(make_base_session(student), text="Hello").replies.get()
    other = send_message(make_base_session(other_student), text="Hello").replies.get()
    line = [item.reply_id for item in Line.read().in_turn()]
    assert line[:2] == [mine.pk, other.pk]
    assert len(line) == MAX_AT_ONCE + 2
    for reply in waiting_replies(run)[:4]:
        start_reply(reply)
    assert mine.pk in next_replies(1)
    assert len(next_replies(32)) == 2


def test_a_run_takes_no_place_of_the_persons_messages(student: User) -> None:
    make_run(student, count=5)
    assert send_message(make_base_session(student), text="Hello")


def test_at_most_three_runs_at_a_time(student: User) -> None:
    job = make_completed_job(student)
    runs = [make_run(student, job=job, count=1) for _number in range(3)]
    with pytest.raises(ConflictError, match="as many as one can have"):
        make_run(student, job=job, count=1)
    cancel_run(runs[0])
    make_run(student, job=job, count=1)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"models": []}, InvalidInputError),
        ({"models": ["a", "b", "c", "d", "e"]}, InvalidInputError),
        ({"models": ["nobody"]}, NotFoundError),
        ({"models": ["job-nobody"]}, NotFoundError),
        ({"set_id": None}, InvalidInputError),
        ({"course_id": "level-1-eval"}, InvalidInputError),
        ({"settings": {"temperature": 9}}, InvalidInputError),
    ],
)
def test_what_can_not_be_run_is_refused(
    student: User, change: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        make_run(student, **change)
    assert not ChatSession.objects.exists()


def test_the_same_model_twice_is_refused(student: User) -> None:
    name = make_base_model().name
    with pytest.raises(InvalidInputError, match="twice"):
        make_run(student, models=[name, name])


def test_nobody_runs_what_is_another_persons(student: User, other_student: User) -> None:
    theirs = make_completed_job(other_student)
    with pytest.raises(NotFoundError):
        make_run(student, models=[f"job-{theirs.pk}"])
    with pytest.raises(NotFoundError):
        make_run(student, set_id=make_set(other_student).pk)
    with pytest.raises(NotFoundError):
        make_run(student, set_id=None, dataset_id=make_dataset(other_student).pk)
    with pytest.raises(NotFoundError):
        make_run(student, set_id=None, held_out_job_id=theirs.pk)


def test_an_adapter_of_a_classmate_can_be_asked(student: User, other_student: User) -> None:
    cohort = Cohort.objects.create(name="2B")
    for user in (student, other_student):
        Membership.objects.create(cohort=cohort, user=user)
    theirs = make_completed_job(other_student)
    JobShare.objects.create(job=theirs, cohort=cohort, is_talkable=True)
    assert make_run(student, models=[f"job-{theirs.pk}"])


def test_a_job_without_an_adapter_can_not_be_asked(student: User) -> None:
    with pytest.raises(ConflictError):
        make_run(student, models=[f"job-{make_training_job(student).pk}"])


def test_course_questions_are_evidence_also_as_an_unchanged_copy(student: User) -> None:
    from chat.prompt_sets.sources import get_course_questions
    from chat.services.prompt_sets import add_item, create_set

    job = make_completed_job(student)
    course = get_course_questions("level-1-eval", "en")
    copy = create_set(student, name="Mine", items=list(course.items))
    changed = create_set(student, name="Mine", items=list(course.items))
    add_item(changed, {"prompt": "And?", "reference": ""})
    runs = [
        make_run(student, job=job, set_id=None, course_id="level-1-eval"),
        make_run(student, job=job, set_id=copy.pk),
        make_run(student, job=job, set_id=changed.pk),
    ]
    assert [run.source["kind"] for run in runs] == ["course", "course", "own"]
    assert runs[0].digest == runs[1].digest != runs[2].digest
    answer_all(runs[0], lambda reply: reply.target)
    (evidence,) = finished_runs(student)
    assert (evidence.source_kind, evidence.source_id) == ("course", "level-1-eval")
    assert (evidence.is_greedy, evidence.has(job.pk), evidence.has_base) == (True, True, True)
    assert evidence.models[0].adapter_digest == "0" * 64
    assert evidence.models[0].differences["loss"].wins == 10
    assert evidence.digest == course.digest


def test_the_held_out_examples_of_a_job_are_those_that_it_did_not_learn(student: User) -> None:
    import datasets

    from engine.config import TrainingHyperparameters

    config = TrainingHyperparameters.from_mapping({"eval_fraction": 0.25, "seed": 7})
    job = make_completed_job(
        student,
        training_config=config.to_dict(),
        plan={"dropped_count": 0, "eval_example_count": 3},
    )
    split = datasets.Dataset.from_dict({"place": list(range(12))}).train_test_split(3, seed=7)
    run = make_run(student, job=job, set_id=None, held_out_job_id=job.pk)
    assert sorted(item["prompt"] for item in run.items) == sorted(
        f"Who waters bed {place + 1}?" for place in split["test"]["place"]
    )
    assert run.source["held_out_from"] == str(job.pk)


def test_nothing_held_out_is_said(student: User) -> None:
    job = make_completed_job(student)
    with pytest.raises(ConflictError, match="held no examples out"):
        start_run(student, RunOrder(models=[f"job-{job.pk}"], held_out_job_id=job.pk))
