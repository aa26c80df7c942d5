"""Nobody passes a step of the real courses without the work: whole courses, all steps open, one trick at a time."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Cohort, Membership, User
from chat.models import Answerer, Vote
from chat.tests.factories import (
    make_answer,
    make_base_session,
    make_message,
    make_tuned_session,
    reply_of,
)
from common.errors import ConflictError, DomainError, InvalidInputError, NotFoundError
from courses.catalogue.schema import CourseContent, Question
from courses.execution.verifying import verify_step
from courses.models import (
    CohortCourse,
    Course,
    Enrolment,
    HiddenMeasurement,
    PageView,
    StepProgress,
)
from courses.selectors.content import content_of, newest_version
from courses.services.answering import answer_quiz, write_reflection
from courses.services.enrolling import begin_course
from courses.services.measuring import measure
from courses.services.publishing import publish_courses
from courses.services.reading import beat, open_step
from courses.starter import hidden_records, starter_records
from datasets_app.models import DatasetVersion
from datasets_app.selectors import latest_version
from datasets_app.services.creating import create_dataset
from training.models import MetricPoint, TrainingJob
from training.tests.factories import make_completed_job, make_failed_job, make_running_job

pytestmark = pytest.mark.django_db

LEVELS = (1, 2, 3)
OWN = [{"instruction": f"What grows in bed {n}?", "output": f"Bed {n}: beans."} for n in range(30)]


class Cheater:
    """A student of a class, in a course of which every step is open, and a classmate who works.

    Attributes:
        level: of the course.
        enrolment: the cheater's.
        other: the classmate, who may be copied from.
    """

    def __init__(self, user: User, other: User, level: int) -> None:
        publish_courses()
        self.level, self.user, self.other = level, user, other
        course = Course.objects.get(slug=f"level-{level}")
        version = newest_version(course)
        self.content: CourseContent = content_of(version.pk)
        cohort = Cohort.objects.create(name="Class")
        for person in (user, other):
            Membership.objects.create(cohort=cohort, user=person)
        CohortCourse.objects.create(
            cohort=cohort,
            course=course,
            version=version,
            opened_steps=[step.key for step in self.content.steps],
        )
        self.enrolment: Enrolment = begin_course(user, course)[0]
        Enrolment.objects.update(started_at=timezone.now() - timedelta(hours=1))
        self.enrolment.refresh_from_db()

    def passed_steps(self) -> list[str]:
        """What the checks of every step say now."""
        return [
            step.key
            for step in self.content.steps
            if verify_step(self.enrolment, step.key, is_try=True).state == StepProgress.State.PASSED
        ]

    def records(self, part: Any = "train", language: str = "en") -> list[dict[str, str]]:
        return starter_records(self.level, part, language)

    def dataset(self, records: list[dict[str, str]], owner: User | None = None) -> DatasetVersion:
        return latest_version(create_dataset(owner or self.user, name="Data", records=records))

    def quizzes(self, answers: Callable[[Question], Any]) -> None:
        for step in self.content.steps:
            if step.questions:
                given = {question.key: answers(question) for question in step.questions}
                answer_quiz(self.enrolment, step.key, given)

    def measures(self, job: TrainingJob, *, refused_as: type[DomainError]) -> None:
        """Ask for it at every step; none of them takes it."""
        for step in self.content.steps:
            with pytest.raises((refused_as, NotFoundError)):
                measure(self.enrolment, step.key, job.pk, language="en")

    def reflections(self, text: str, jobs: list[TrainingJob]) -> None:
        for step in self.content.steps:
            if step.reflection:
                ids = [job.pk for job in jobs]
                write_reflection(self.enrolment, step.key, text=text, job_ids=ids)


Cheat = Callable[[Cheater], None]
CHEATS: list[Cheat] = []


def cheat(function: Cheat) -> Cheat:
    CHEATS.append(function)
    return function


# --- the lesson ---------------------------------------------------------------------------------------


@cheat
def do_nothing(student: Cheater) -> None:
    pass


@cheat
def open_every_page_and_go_on(student: Cheater) -> None:
    for step in student.content.steps:
        open_step(student.enrolment, step.key)


@cheat
def say_again_and_again_that_a_page_is_open(student: Cheater) -> None:
    for step in student.content.steps:
        open_step(student.enrolment, step.key)
        for _ in range(30):
            beat(student.enrolment, step.key)


@cheat
def choose_wrong_answers(student: Cheater) -> None:
    student.quizzes(_wrong)


@cheat
def tick_every_answer(student: Cheater) -> None:
    with pytest.raises(InvalidInputError):
        student.quizzes(
            lambda question: (
                0.5 if question.kind == "number" else [option.key for option in question.options]
            )
        )


@cheat
def answer_with_other_types(student: Cheater) -> None:
    with pytest.raises(InvalidInputError):
        student.quizzes(lambda question: True if question.kind != "number" else "9216")


@cheat
def post_the_outcome_to_the_api(student: Cheater) -> None:
    browser = Client()
    browser.force_login(student.user, backend="allauth.account.auth_backends.AuthenticationBackend")
    claim = {"outcome": "pass", "state": "passed", "checks": [{"outcome": "pass"}], "points": 9}
    for step in student.content.steps:
        address = f"/api/courses/level-{student.level}/steps/{step.key}/check"
        browser.post(address, json.dumps(claim), content_type="application/json")


@cheat
def write_one_word_many_times(student: Cheater) -> None:
    student.reflections("learned " * 200, [make_completed_job(student.other)])


@cheat
def write_only_punctuation(student: Cheater) -> None:
    student.reflections("… ! ? " * 200, [])


@cheat
def reflect_on_a_classmates_jobs(student: Cheater) -> None:
    jobs = [make_completed_job(student.other), make_completed_job(student.other)]
    student.reflections("short", jobs)


# --- data ---------------------------------------------------------------------------------------------


@cheat
def edit_nothing(student: Cheater) -> None:
    student.dataset(student.records())


@cheat
def shuffle_the_starter_set(student: Cheater) -> None:
    records = student.records()
    random.Random(7).shuffle(records)
    student.dataset(records)


@cheat
def repeat_the_starter_set(student: Cheater) -> None:
    student.dataset(student.records() * 2)


@cheat
def take_the_starter_set_in_another_language(student: Cheater) -> None:
    student.dataset(student.records(language="ja"))


@cheat
def mix_both_languages(student: Cheater) -> None:
    student.dataset(student.records() + student.records(language="ja"))


@cheat
def change_spaces_and_case_only(student: Cheater) -> None:
    student.dataset(
        [
            {"instruction": f"  {row['instruction'].upper()} !", "output": row["output"].lower()}
            for row in student.records()
        ]
    )


@cheat
def copy_a_classmates_dataset(student: Cheater) -> None:
    records = student.records() + OWN[:10]
    student.dataset(records, student.other)
    student.dataset(records)


@cheat
def copy_a_part_of_a_classmates_dataset(student: Cheater) -> None:
    student.dataset(OWN, student.other)
    student.dataset(student.records() + OWN[:5])


@cheat
def hand_in_the_evaluation_set(student: Cheater) -> None:
    student.dataset(student.records("eval"))


@cheat
def add_the_evaluation_set(student: Cheater) -> None:
    student.dataset(student.records() + student.records("eval"))


@cheat
def one_example_many_times(student: Cheater) -> None:
    student.dataset([OWN[0]] * 40)


# --- jobs ---------------------------------------------------------------------------------------------


@cheat
def show_a_classmates_jobs(student: Cheater) -> None:
    jobs = [_good_job(student.other), _good_job(student.other)]
    ids = ",".join(str(job.pk) for job in jobs)
    PageView.objects.create(user=student.user, kind="comparison", subject_id=ids)
    PageView.objects.create(user=student.user, kind="job_running", subject_id=str(jobs[0].pk))


@cheat
def show_jobs_from_before_the_course(student: Cheater) -> None:
    for rank in (4, 8):
        _good_job(student.user, student.dataset(student.records()), r=rank)
    TrainingJob.objects.update(created_at=timezone.now() - timedelta(hours=2))


@cheat
def start_and_fail(student: Cheater) -> None:
    make_failed_job(student.user, dataset_version=student.dataset(student.records()))


@cheat
def start_and_never_finish(student: Cheater) -> None:
    make_running_job(
        student.user, step_count=40, dataset_version=student.dataset(student.records())
    )


@cheat
def throw_the_adapter_away(student: Cheater) -> None:
    for rank in (4, 8):
        _good_job(student.user, student.dataset(student.records()), r=rank).adapter.delete()


@cheat
def stop_after_two_steps(student: Cheater) -> None:
    job = make_completed_job(student.user, dataset_version=student.dataset(student.records()))
    MetricPoint.objects.filter(job=job, step__gt=2).delete()
    TrainingJob.objects.filter(pk=job.pk).update(current_step=2)


@cheat
def train_on_a_classmates_data(student: Cheater) -> None:
    job = _good_job(student.user, student.dataset(OWN, student.other), predicted=False)
    TrainingJob.objects.filter(pk=job.pk).update(diagnosis={}, baseline_loss=None)


# --- hidden questions ---------------------------------------------------------------------------------


@cheat
def measure_a_classmates_model(student: Cheater) -> None:
    """By asking for it, and by what the classmate measured."""
    job = _good_job(student.other)
    student.measures(job, refused_as=NotFoundError)
    _measured(begin_course(student.other, student.enrolment.course)[0], job)


@cheat
def measure_a_job_from_before_the_course(student: Cheater) -> None:
    job = _good_job(student.user, student.dataset(student.records()))
    TrainingJob.objects.update(created_at=timezone.now() - timedelta(hours=2))
    student.measures(job, refused_as=NotFoundError)
    _measured(student.enrolment, job)


@cheat
def measure_without_an_adapter(student: Cheater) -> None:
    job = make_failed_job(student.user, dataset_version=student.dataset(student.records()))
    student.measures(job, refused_as=ConflictError)
    _measured(student.enrolment, job)


@cheat
def throw_the_measured_job_away(student: Cheater) -> None:
    job = make_completed_job(student.user, dataset_version=student.dataset(student.records()))
    _measured(student.enrolment, job)
    job.delete()


@cheat
def post_losses_to_the_api(student: Cheater) -> None:
    job = _good_job(student.other)
    browser = Client()
    browser.force_login(student.user, backend="allauth.account.auth_backends.AuthenticationBackend")
    claim = {
        "job_id": str(job.pk),
        "status": "completed",
        "tuned_loss": 0.1,
        "base_loss": 9.0,
        "gain": 8.9,
    }
    for step in student.content.steps:
        address = f"/api/courses/level-{student.level}/steps/{step.key}/hidden-measurements"
        browser.post(address, json.dumps(claim), content_type="application/json")
    assert not HiddenMeasurement.objects.exists()


# --- conversations ------------------------------------------------------------------------------------


@cheat
def talk_to_the_base_model_only(student: Cheater) -> None:
    session = make_base_session(student.user)
    for number in range(6):
        make_answer(make_message(session, f"Who waters bed {number}?"), "Nobody.")


@cheat
def talk_to_a_classmates_model(student: Cheater) -> None:
    session = make_tuned_session(student.other)
    for number in range(6):
        message = make_message(session, f"Who waters bed {number}?")
        make_answer(message, "Ada.", target=Answerer.Kind.TUNED)
        make_answer(message, "Nobody.")
        Vote.objects.create(message=message, verdict=Vote.Verdict.TIE, was_blind=True)


@cheat
def vote_on_base_models(student: Cheater) -> None:
    session = make_base_session(student.user)
    for number in range(6):
        message = make_message(session, f"Who waters bed {number}?")
        make_answer(message, "Nobody.")
        Vote.objects.create(message=message, verdict=Vote.Verdict.TIE, was_blind=True)


@cheat
def correct_the_base_model(student: Cheater) -> None:
    message = make_message(make_base_session(student.user))
    make_answer(message, "Nobody.")
    reply = reply_of(message)
    reply.corrected_text = "Ada waters bed 3."
    reply.save()


def test_there_are_enough_cheats() -> None:
    assert len(CHEATS) >= 25


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("trick", CHEATS, ids=lambda trick: trick.__name__)
def test_a_cheat_passes_no_step(
    trick: Cheat, level: int, student: User, other_student: User
) -> None:
    cheater = Cheater(student, other_student, level)
    trick(cheater)
    assert cheater.passed_steps() == []


@pytest.mark.parametrize("part", ["eval", "hidden"])
def test_who_trains_on_the_questions_gains_nothing(
    student: User, other_student: User, part: str
) -> None:
    """Own examples and a real job pass what asks for those; what asks for clean data does not."""
    cheater = Cheater(student, other_student, 3)
    leaked = hidden_records(3) if part == "hidden" else cheater.records("eval")
    job = _good_job(student, cheater.dataset(cheater.records() + OWN[:6] + leaked))
    _measured(cheater.enrolment, job)
    results = {
        step.key: verify_step(cheater.enrolment, step.key).checks for step in cheater.content.steps
    }
    key = "clean" if part == "eval" else "hidden"
    assert results["your-data"][key]["outcome"] != "pass"
    assert results["evaluation"]["gain"]["outcome"] != "pass"
    assert (results["evaluation"]["hidden"]["outcome"] == "pass") == (part == "eval")


def _measured(enrolment: Enrolment, job: TrainingJob) -> HiddenMeasurement:
    """With numbers that would please every check."""
    return HiddenMeasurement.objects.create(
        enrolment=enrolment,
        job=job,
        job_name=job.name,
        language="en",
        digest="0" * 64,
        question_count=20,
        adapter_digest="0" * 64,
        status=HiddenMeasurement.Status.COMPLETED,
        tuned_loss=0.5,
        base_loss=3.0,
        gain_low=2.0,
        gain_high=3.0,
    )


def _good_job(
    owner: User,
    version: DatasetVersion | None = None,
    *,
    r: int = 8,
    predicted: bool = True,
) -> TrainingJob:
    """With numbers that would please every check."""
    changes: dict[str, Any] = {"dataset_version": version} if version else {}
    job = make_completed_job(
        owner,
        lora_config={"r": r, "alpha": 16, "dropout": 0.05},
        prediction="The loss will fall below one half." if predicted else "",
        **changes,
    )
    TrainingJob.objects.filter(pk=job.pk).update(
        baseline_loss=3.0, eval_loss=1.0, explanation="It learned the manner of the answers. " * 3
    )
    return job


def _wrong(question: Question) -> Any:
    if question.kind == "number":
        return -1
    wrong = [option.key for option in question.options if not option.right]
    return wrong[:1]
