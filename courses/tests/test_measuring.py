"""A student's own job is measured on hidden questions: how often, by whom, and what the check makes of it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Cohort, Membership, User
from common.errors import ConflictError, NotFoundError, TooManyRequestsError
from courses.checks.findings import Outcome
from courses.execution.verifying import verify_step
from courses.lifecycle import measuring
from courses.models import CohortCourse, Enrolment, Evidence, HiddenMeasurement
from courses.selectors.measuring import MEASUREMENTS_A_DAY, allowance_of
from courses.services.measuring import measure
from courses.starter import hidden_records
from courses.tests.measuring import STEP, ask, enrol_in_measuring, finish
from courses.wording.reasons import reason_sentence
from datasets_app.selectors import latest_version
from datasets_app.services.creating import create_dataset
from training.models import TrainingJob
from training.services.ending import delete_training_job
from training.tests.factories import make_completed_job, make_running_job, make_training_job

pytestmark = pytest.mark.django_db
Status = HiddenMeasurement.Status


@pytest.fixture
def enrolment(tmp_path: Path, student: User) -> Enrolment:
    return enrol_in_measuring(student, tmp_path)


@pytest.fixture
def job(enrolment: Enrolment) -> TrainingJob:
    return make_completed_job(enrolment.user)


@pytest.fixture
def client(student: User, client_of: Callable[[User], Client]) -> Client:
    return client_of(student)


def result_of(enrolment: Enrolment) -> dict[str, Any]:
    progress = verify_step(enrolment, STEP, is_try=True)
    stored: dict[str, Any] = progress.checks["gain"]
    assert bool(reason_sentence(stored)) == (stored["outcome"] != Outcome.PASS)
    return stored


def use_up(enrolment: Enrolment) -> None:
    for _one in range(MEASUREMENTS_A_DAY):
        finish(ask(enrolment, make_completed_job(enrolment.user)))


# --- asking -------------------------------------------------------------------------------------------


def test_a_job_is_measured_once_however_often_one_asks(
    enrolment: Enrolment, job: TrainingJob
) -> None:
    row, is_new = measure(enrolment, STEP, job.pk, language="en")
    assert (is_new, row.status, row.question_count) == (True, Status.PENDING, 20)
    assert measure(enrolment, STEP, job.pk, language="en") == (row, False)
    finish(row)
    assert measure(enrolment, STEP, job.pk, language="en") == (row, False)
    assert allowance_of(enrolment).left == MEASUREMENTS_A_DAY - 1


def test_one_measurement_of_a_person_is_under_way_at_a_time(
    enrolment: Enrolment, job: TrainingJob
) -> None:
    ask(enrolment, job)
    with pytest.raises(ConflictError, match="is being measured"):
        ask(enrolment, make_completed_job(enrolment.user))


def test_a_day_has_so_many_and_then_says_when_the_next_is_possible(
    enrolment: Enrolment, job: TrainingJob
) -> None:
    use_up(enrolment)
    oldest = HiddenMeasurement.objects.order_by("created_at")[0]
    next_at = oldest.created_at + timedelta(hours=24)
    assert allowance_of(enrolment).next_at == next_at
    with pytest.raises(TooManyRequestsError) as refused:
        ask(enrolment, job)
    assert f"{timezone.localtime(next_at):%H:%M}" in str(refused.value.message)
    assert 23 * 3600 < refused.value.retry_after_seconds <= 24 * 3600
    assert HiddenMeasurement.objects.count() == MEASUREMENTS_A_DAY
    HiddenMeasurement.objects.filter(pk=oldest.pk).update(
        created_at=timezone.now() - timedelta(hours=24, seconds=1)
    )
    assert ask(enrolment, job).status == Status.PENDING


def test_a_deleted_job_gives_no_measurement_back(enrolment: Enrolment, job: TrainingJob) -> None:
    use_up(enrolment)
    for measured in HiddenMeasurement.objects.all():
        assert measured.job is not None
        delete_training_job(measured.job)
    with pytest.raises(TooManyRequestsError):
        ask(enrolment, job)


def test_a_measurement_that_failed_does_not_count(enrolment: Enrolment, job: TrainingJob) -> None:
    for _one in range(MEASUREMENTS_A_DAY + 1):
        ask(enrolment, job)
        lease = measuring.claim_next()
        assert lease is not None
        assert measuring.fail(lease, "engine_died")
    assert allowance_of(enrolment).left == MEASUREMENTS_A_DAY


def test_only_ones_own_completed_jobs_of_the_course_are_measured(
    enrolment: Enrolment, other_student: User
) -> None:
    student = enrolment.user
    old = make_completed_job(student)
    TrainingJob.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(hours=2))
    for job in (old, make_completed_job(other_student)):
        with pytest.raises(NotFoundError):
            ask(enrolment, job)
    thrown_away = make_completed_job(student)
    thrown_away.adapter.delete()
    for job in (make_training_job(student), make_running_job(student)[0], thrown_away):
        with pytest.raises(ConflictError):
            ask(enrolment, job)
    assert not HiddenMeasurement.objects.exists()


def test_a_step_that_asks_for_none_measures_none(enrolment: Enrolment, job: TrainingJob) -> None:
    with pytest.raises(NotFoundError):
        ask(enrolment, job, "hello")
    with pytest.raises(ConflictError, match="locked"):
        ask(enrolment, job, "last")


# --- a worker's hold on it ----------------------------------------------------------------------------


def test_a_worker_that_lost_its_measurement_writes_nothing(
    enrolment: Enrolment, job: TrainingJob
) -> None:
    row = ask(enrolment, job)
    first = measuring.claim_next()
    assert first is not None
    assert measuring.claim_next() is None
    HiddenMeasurement.objects.update(renewed_at=timezone.now() - 2 * measuring.HEARTBEAT)
    second = measuring.claim_next()
    assert second is not None
    with pytest.raises(measuring.MeasurementLostError):
        measuring.renew(first)
    assert not measuring.fail(first, "engine_died")
    second = measuring.renew(second)
    measuring.give_back(second)
    row.refresh_from_db()
    assert (row.status, row.attempts) == (Status.PENDING, 1)


def test_a_measurement_whose_workers_die_ends_in_words(
    enrolment: Enrolment, job: TrainingJob
) -> None:
    row = ask(enrolment, job)
    for _attempt in range(measuring.MAX_ATTEMPTS):
        assert measuring.claim_next() is not None
        HiddenMeasurement.objects.update(renewed_at=timezone.now() - 2 * measuring.HEARTBEAT)
    assert measuring.claim_next() is None
    row.refresh_from_db()
    assert (row.status, row.error_code) == (Status.FAILED, "worker_lost")


# --- the check ----------------------------------------------------------------------------------------


def test_the_check_waits_then_passes_with_what_the_server_wrote(
    enrolment: Enrolment, job: TrainingJob
) -> None:
    assert result_of(enrolment)["reason"] == "hidden_not_measured"
    row = ask(enrolment, job)
    assert result_of(enrolment)["outcome"] == Outcome.WAITING
    finish(row, tuned=1.25, base=2.0)
    assert result_of(enrolment)["outcome"] == Outcome.PASS
    evidence = Evidence.objects.get()
    assert (evidence.kind, evidence.digest) == ("hidden_measurement", row.digest)
    assert evidence.facts == {
        "name": job.name,
        "baseline": 2.0,
        "loss": 1.25,
        "gain": 0.75,
        "items": 20,
        "adapters": [job.adapter.digest],
        "job": str(job.pk),
    }


def test_too_small_a_gain_fails_with_its_number(enrolment: Enrolment, job: TrainingJob) -> None:
    finish(ask(enrolment, job), tuned=1.95, base=2.0)
    found = result_of(enrolment)
    assert (found["outcome"], found["reason"]) == (Outcome.FAIL, "hidden_small_gain")
    assert "0.05" in reason_sentence(found)
    assert "0.1" in reason_sentence(found)


def test_a_measurement_that_failed_is_an_error_and_no_failure(
    enrolment: Enrolment, job: TrainingJob
) -> None:
    ask(enrolment, job)
    lease = measuring.claim_next()
    assert lease is not None
    measuring.fail(lease, "engine_died")
    found = result_of(enrolment)
    assert found["outcome"] == Outcome.ERROR
    assert job.name in reason_sentence(found)
    assert "does not count" in reason_sentence(found)
    assert verify_step(enrolment, STEP).tries == 0


@pytest.mark.parametrize("part", ["dataset_version", "eval_dataset_version"])
def test_who_trained_on_hidden_questions_fails_by_name(enrolment: Enrolment, part: str) -> None:
    leaked = create_dataset(enrolment.user, name="Leaky", records=hidden_records(3)[:2])
    job = make_completed_job(enrolment.user, **{part: latest_version(leaked)})
    finish(ask(enrolment, job))
    found = result_of(enrolment)
    assert (found["outcome"], found["reason"]) == (Outcome.FAIL, "dataset_leaks")
    assert found["observed"] == {"name": "Leaky", "leaks": 2, "set": "hidden"}
    assert "Leaky" in reason_sentence(found)


# --- the page -----------------------------------------------------------------------------------------


def url(name: str, key: str = STEP) -> str:
    return reverse(f"courses:{name}", args=["sample", key])


def test_the_page_asks_waits_and_shows_the_numbers(client: Client, job: TrainingJob) -> None:
    page = client.get(url("step_detail")).content.decode()
    assert f'value="{job.pk}"' in page
    asked = client.post(url("step_measure"), {"job": str(job.pk)}, headers={"HX-Request": "true"})
    assert 'hx-trigger="every 2s"' in asked.content.decode()
    row = HiddenMeasurement.objects.get()
    mark = {"mark": f"{row.pk}-pending"}
    assert client.get(url("step_measuring"), mark).status_code == 204
    finish(row, tuned=1.25, base=2.0)
    shown = client.get(url("step_measuring"), mark)
    assert shown.headers["HX-Trigger-After-Settle"] == "checks-changed"
    text = shown.content.decode()
    assert "every 2s" not in text
    assert all(number in text for number in ("2.00", "1.25", "0.75"))
    assert "Passed" in client.get(url("step_detail")).content.decode()


def test_a_refusal_stands_at_the_form(
    client: Client, enrolment: Enrolment, job: TrainingJob
) -> None:
    use_up(enrolment)
    for headers in ({}, {"HX-Request": "true"}):
        refused = client.post(url("step_measure"), {"job": str(job.pk)}, headers=headers)
        assert refused.status_code == 422
        assert "The next one is possible at" in refused.content.decode()
    assert client.post(url("step_measure"), {"job": "x"}).status_code == 422


def test_other_steps_and_other_people_have_no_part(
    client: Client, job: TrainingJob, other_student: User, client_of: Callable[[User], Client]
) -> None:
    assert "measuring-title" not in client.get(url("step_detail", "hello")).content.decode()
    assert client.get(url("step_measuring", "hello")).status_code == 404
    assert client.get(url("step_measuring", "last")).status_code == 404
    assert client_of(other_student).get(url("step_measuring")).status_code == 404
    answer = client_of(other_student).post(url("step_measure"), {"job": str(job.pk)})
    assert answer.status_code == 404


def test_instructors_see_the_measurements(
    enrolment: Enrolment,
    job: TrainingJob,
    instructor: User,
    client_of: Callable[[User], Client],
) -> None:
    cohort = Cohort.objects.create(name="Class")
    Membership.objects.create(cohort=cohort, user=enrolment.user)
    Membership.objects.create(cohort=cohort, user=instructor, role=Membership.Role.INSTRUCTOR)
    CohortCourse.objects.create(cohort=cohort, course=enrolment.course, version=enrolment.version)
    Enrolment.objects.filter(pk=enrolment.pk).update(cohort=cohort)
    finish(ask(enrolment, job), tuned=1.25, base=2.0)
    address = reverse("classroom:grade", args=[cohort.pk, enrolment.pk, STEP])
    page = client_of(instructor).get(address).content.decode()
    assert job.name in page
    assert all(number in page for number in ("2.00", "1.25", "0.75"))


# --- the API ------------------------------------------------------------------------------------------


def test_the_api_measures_and_lists(client: Client, enrolment: Enrolment, job: TrainingJob) -> None:
    address = f"/api/courses/sample/steps/{STEP}/hidden-measurements"
    body = {"job_id": str(job.pk)}
    asked = client.post(address, body, content_type="application/json")
    assert (asked.status_code, asked.json()["status"]) == (202, "pending")
    assert client.post(address, body, content_type="application/json").status_code == 200
    finish(HiddenMeasurement.objects.get(), tuned=1.25, base=2.0)
    listed = client.get("/api/courses/sample/hidden-measurements").json()
    assert listed["left"] == MEASUREMENTS_A_DAY - 1
    (row,) = listed["measurements"]
    assert (row["tuned_loss"], row["base_loss"], row["gain"]) == (1.25, 2.0, 0.75)
    assert row["error"] is None


def test_the_api_says_when_the_next_is_possible(
    client: Client, enrolment: Enrolment, job: TrainingJob
) -> None:
    use_up(enrolment)
    address = f"/api/courses/sample/steps/{STEP}/hidden-measurements"
    refused = client.post(address, {"job_id": str(job.pk)}, content_type="application/json")
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 23 * 3600
    listed = client.get("/api/courses/sample/hidden-measurements").json()
    assert (listed["left"], bool(listed["next_at"])) == (0, True)


# --- several at once ----------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_the_last_one_of_the_day_is_given_once(tmp_path: Path, student: User) -> None:
    enrolment = enrol_in_measuring(student, tmp_path)
    jobs = [make_completed_job(student) for _one in range(4)]

    def press(job: TrainingJob) -> bool:
        try:
            ask(enrolment, job)
        except ConflictError:
            return False
        else:
            return True
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(press, jobs)) == 1
