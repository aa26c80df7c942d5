"""The page of workers, its API call and the list in admin: who sees what, and who may pause."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import Cohort, Membership, User
from modelhub.lifecycle import Refusal, refuse_worker
from modelhub.models import Worker
from training.tests.factories import make_dataset_version, make_person, make_running_job

pytestmark = pytest.mark.django_db
PAGE, CALL = reverse("training:worker_list"), "/api/workers"
ADMIN_LIST = reverse("admin:modelhub_worker_changelist")
Sign = Callable[[User], Client]


@pytest.fixture
def signed_in(student: User, client_of: Sign) -> Client:
    return client_of(student)


@pytest.fixture
def board(instructor: User, client_of: Sign) -> Client:
    return client_of(instructor)


def make_worker(name: str = "test-worker", *, silent_seconds: float = 1, **fields: Any) -> Worker:
    values: dict[str, Any] = {
        "state": Worker.State.BUSY,
        "device": "cuda",
        "device_name": "Example GPU",
        "host": "gpu-host",
        "pid": 4711,
        "version": "0.1.0",
        "memory_bytes": 16 * 1024**3,
        "clock_skew_seconds": 1.25,
        "calibration": {
            "smollm2": {"steps": [{"tokens_per_second": 310.0}, {"tokens_per_second": 475.2}]}
        },
    }
    heartbeat_at = timezone.now() - timedelta(seconds=silent_seconds)
    return Worker.objects.create(name=name, heartbeat_at=heartbeat_at, **(values | fields))


def text_of(client: Client, address: str = PAGE) -> str:
    return client.get(address).content.decode()


def switch(worker: Worker, name: str) -> str:
    return reverse(f"training:worker_{name}", args=[worker.pk])


# --- who may look --------------------------------------------------------------------------------


def test_who_is_signed_out_signs_in_first(client: Client) -> None:
    worker = make_worker()
    assert client.get(PAGE).status_code == 302
    assert client.post(switch(worker, "pause")).status_code == 302
    assert client.get(CALL).status_code == 401
    assert not Worker.objects.get().is_paused


def test_a_student_sees_the_worker_but_not_where_it_runs(
    signed_in: Client, student: User, other_student: User
) -> None:
    worker = make_worker()
    own, _lease = make_running_job(student, name="My garden", step_count=30)
    make_running_job(other_student, name="Secret plan")
    page = text_of(signed_in)
    for words in ("test-worker", "Example GPU", "16.0\xa0GB", "475 tokens/s", "Busy", "0.1.0"):
        assert words in page
    assert reverse("training:job_detail", args=[own.pk]) in page
    assert "your job" in page
    assert "40%" in page
    assert "and 1 job of somebody else" in page
    for words in ("Secret plan", "ben", "gpu-host", "4711", "ahead of the database"):
        assert words not in page
    assert switch(worker, "pause") not in page
    assert "llmlora worker" not in page


def test_an_instructor_sees_host_clock_and_every_job(board: Client, student: User) -> None:
    worker = make_worker()
    job, _lease = make_running_job(student, name="My garden")
    page = text_of(board)
    for words in ("gpu-host", "process 4711", "1.2 s ahead of the database", "aiko", "My garden"):
        assert words in page
    assert reverse("admin:training_trainingjob_change", args=[job.pk]) in page
    assert switch(worker, "pause") in page
    assert "llmlora worker" in page


def test_an_assistant_knows_the_jobs_of_the_own_class(
    signed_in: Client, student: User, other_student: User
) -> None:
    cohort = Cohort.objects.create(name="4B")
    Membership.objects.create(cohort=cohort, user=student, role=Membership.Role.ASSISTANT)
    make_worker()
    make_running_job(other_student, name="In class", cohort=cohort)
    make_running_job(other_student, name="Elsewhere")
    page = text_of(signed_in)
    assert "In class" in page
    assert "Elsewhere" not in page
    assert "and 1 job of somebody else" in page
    assert "gpu-host" in page
    assert "/pause/" not in page


# --- states ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"state": "ready"}, ["Ready", "Waits for work"]),
        ({"state": "starting"}, ["Starting", "Loads the base model"]),
        ({"state": "ready", "is_paused": True}, ["Paused", "until an instructor resumes it"]),
        ({"state": "ready", "silent_seconds": 600}, ["Down", "Down since", "10\xa0minutes ago"]),
        ({"detail": "The disk is full."}, ["The disk is full."]),
    ],
)
def test_every_state_has_words(signed_in: Client, fields: dict[str, Any], words: list[str]) -> None:
    make_worker(**fields)
    page = text_of(signed_in)
    assert [word for word in words if word not in page] == []


def test_a_refusal_is_told_with_its_mend_to_those_who_can_mend_it(
    signed_in: Client, board: Client
) -> None:
    make_worker()
    refuse_worker("test-worker", Refusal("no_storage_proof", {"storage": "/mnt/secret"}))
    page = text_of(board)
    assert "Refused" in page
    assert "/mnt/secret does not hold the web server" in page
    assert "looks again every 30 seconds" in page
    page = text_of(signed_in)
    assert "Refused" in page
    assert "does not fit the web server" in page
    assert "/mnt/secret" not in page


def test_a_worker_that_is_down_for_days_is_left_out(signed_in: Client) -> None:
    make_worker("long-gone", silent_seconds=4 * 86_400)
    assert "long-gone" not in text_of(signed_in)
    assert signed_in.get(CALL).json()["count"] == 0


def test_without_a_worker_the_page_says_what_happens_and_what_to_do(
    signed_in: Client, board: Client
) -> None:
    page = text_of(signed_in)
    assert "No worker is running" in page
    assert "Nothing is lost" in page
    assert "llmlora worker" in text_of(board)


def test_the_board_is_polled_as_a_fragment(signed_in: Client) -> None:
    make_worker()
    headers = {"HX-Request": "true", "HX-Target": "worker-board"}
    page = signed_in.get(PAGE, headers=headers).content.decode()
    assert page.strip().startswith('<div id="worker-board"')
    assert 'hx-trigger="every 5s"' in page


@pytest.mark.parametrize("address", [PAGE, CALL])
def test_many_workers_and_jobs_cost_as_much_as_one(
    board: Client, student: User, address: str
) -> None:
    version = make_dataset_version(student)
    make_worker()
    make_running_job(student, dataset_version=version)
    with CaptureQueriesContext(connection) as one:
        board.get(address)
    for number in range(5):
        make_worker(f"worker-{number}")
        owner = make_person(f"person-{number}")
        make_running_job(owner, dataset_version=version)
    with CaptureQueriesContext(connection) as many:
        assert board.get(address).status_code == 200
    assert len(many) == len(one)


# --- pausing ---------------------------------------------------------------------------------------


def test_an_instructor_pauses_and_resumes(board: Client) -> None:
    worker = make_worker()
    page = board.post(switch(worker, "pause"), follow=True).content.decode()
    assert "finishes what it holds and then pauses" in page
    assert Worker.objects.get().is_paused
    assert switch(worker, "resume") in page
    fragment = board.post(
        switch(worker, "resume"), headers={"HX-Request": "true", "HX-Target": "worker-board"}
    ).content.decode()
    assert fragment.strip().startswith('<div id="worker-board"')
    assert not Worker.objects.get().is_paused


@pytest.mark.parametrize("name", ["pause", "resume"])
def test_a_student_does_not(signed_in: Client, name: str) -> None:
    worker = make_worker(is_paused=name == "resume")
    assert signed_in.post(switch(worker, name)).status_code == 403
    assert Worker.objects.get().is_paused is (name == "resume")


def test_a_worker_that_is_not_there_can_not_be_paused(board: Client) -> None:
    assert board.post(reverse("training:worker_pause", args=[999])).status_code == 404


# --- API -------------------------------------------------------------------------------------------


def test_the_call_has_the_same_facts(signed_in: Client, board: Client, student: User) -> None:
    make_worker()
    job, _lease = make_running_job(student, name="My garden", step_count=30)
    make_running_job(make_person("someone"), name="Secret plan")
    answer = signed_in.get(CALL).json()
    assert answer["count"] == 1
    worker = answer["items"][0]
    mine, theirs = worker["jobs"]
    assert mine == {
        "id": str(job.pk), "name": "My garden", "owner": "aiko", "is_own": True, "progress": 0.4,
    }  # fmt: skip
    assert theirs == {"id": None, "name": None, "owner": None, "is_own": False, "progress": 0.0}
    assert (worker["state"], worker["device"], worker["memory_bytes"]) == ("busy", "cuda", 2**34)
    assert worker["tokens_per_second"] == 475.2
    assert (worker["host"], worker["pid"], worker["clock_skew_seconds"]) == (None, None, None)
    assert worker["refusal"] is None

    worker = board.get(CALL).json()["items"][0]
    assert (worker["host"], worker["pid"], worker["clock_skew_seconds"]) == ("gpu-host", 4711, 1.25)
    assert [job["name"] for job in worker["jobs"]] == ["My garden", "Secret plan"]


def test_the_call_tells_a_refusal(board: Client) -> None:
    refuse_worker("tower", Refusal("other_version", {"own": "0.1.0", "wanted": "0.2.0"}))
    refusal = board.get(CALL).json()["items"][0]["refusal"]
    assert refusal["code"] == "other_version"
    assert "0.2.0" in refusal["message"]


# --- admin -----------------------------------------------------------------------------------------


def test_the_list_in_admin_shows_silence_and_work(board: Client, student: User) -> None:
    make_worker()
    make_worker("silent-one", silent_seconds=600, is_paused=True)
    make_running_job(student, name="My garden")
    make_running_job(make_person("someone"), name="Second")
    page = text_of(board, ADMIN_LIST)
    assert "My garden +1" in page
    assert page.count('<td class="field-state_words">Down (paused)</td>') == 1
    assert "10\xa0minutes ago" in page
    change = text_of(
        board, reverse("admin:modelhub_worker_change", args=[Worker.objects.earliest("pk").pk])
    )
    assert 'name="_save"' not in change


def test_workers_are_paused_and_resumed_there(board: Client) -> None:
    chosen = [make_worker(name).pk for name in ("one", "two")]
    page = board.post(ADMIN_LIST, {"action": "pause", "_selected_action": chosen}, follow=True)
    assert "2 workers finish what they hold and then pause." in page.content.decode()
    assert Worker.objects.filter(is_paused=True).count() == 2
    board.post(ADMIN_LIST, {"action": "resume", "_selected_action": chosen})
    assert not Worker.objects.filter(is_paused=True).exists()


def test_the_list_in_admin_is_for_instructors(signed_in: Client) -> None:
    assert signed_in.get(ADMIN_LIST).status_code == 302
