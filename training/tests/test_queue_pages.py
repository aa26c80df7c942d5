"""The page of the queue, the card on a job's page, and the API: who sees what, and what instructors change."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import Cohort, ComputePolicy, Membership, Notification, User
from modelhub.models import Worker
from training.models import DeviceUsage, TrainingEvent, TrainingJob
from training.tests.factories import (
    make_completed_job,
    make_person,
    make_running_job,
    make_training_job,
)

pytestmark = pytest.mark.django_db
PAGE, CALL, JOBS = reverse("training:queue"), "/api/training/queue", "/api/training/jobs"
HTMX = {"HX-Request": "true", "HX-Target": "queue-board"}
Sign = Callable[[User], Client]


@pytest.fixture
def cohort() -> Cohort:
    return Cohort.objects.create(name="Garden class")


@pytest.fixture
def leader(cohort: Cohort) -> User:
    person = make_person("lea")
    Membership.objects.create(user=person, cohort=cohort, role=Membership.Role.ASSISTANT)
    return person


@pytest.fixture
def waiting(student: User, cohort: Cohort) -> TrainingJob:
    return make_training_job(
        student, name="Rose answers", cohort=cohort, queued_at=timezone.now() - timedelta(minutes=1)
    )


@pytest.fixture
def hidden(other_student: User) -> TrainingJob:
    return make_training_job(other_student, name="Secret plan", queued_at=timezone.now())


def make_worker(name: str = "test-worker", **fields: Any) -> Worker:
    values: dict[str, Any] = {"state": Worker.State.READY, "device": "cpu"} | fields
    return Worker.objects.create(name=name, heartbeat_at=timezone.now(), **values)


def change(job: TrainingJob, action: str) -> str:
    return reverse("training:queue_change", args=[job.pk, action])


def text_of(client: Client, address: str = PAGE) -> str:
    return re.sub(r"\s+", " ", client.get(address).content.decode())


def stored(job: TrainingJob) -> TrainingJob:
    return TrainingJob.objects.get(pk=job.pk)


# --- the page -------------------------------------------------------------------------------------


def test_who_is_signed_out_signs_in_first(client: Client, waiting: TrainingJob) -> None:
    assert client.get(PAGE).status_code == 302
    assert client.post(change(waiting, "hold")).status_code == 302
    assert client.get(CALL).status_code == 401
    assert stored(waiting).held_at is None


def test_a_student_sees_own_jobs_and_only_that_others_are_there(
    client_of: Sign, student: User, waiting: TrainingJob, hidden: TrainingJob
) -> None:
    make_worker()
    page = text_of(client_of(student))
    assert "Your waiting job" in page
    assert "Rose answers" in page
    assert "another student's job" in page
    for secret in ("Secret plan", "ben", str(hidden.pk)):
        assert secret not in page
    assert "Hold" not in page
    assert f'href="{reverse("training:job_detail", args=[waiting.pk])}"' in page


def test_a_leader_sees_names_and_buttons_of_the_own_class_only(
    client_of: Sign, leader: User, waiting: TrainingJob, hidden: TrainingJob
) -> None:
    page = text_of(client_of(leader))
    assert "Rose answers" in page
    assert "aiko" in page
    assert change(waiting, "hold") in page
    assert "Secret plan" not in page
    assert str(hidden.pk) not in page


def test_staff_see_everything(
    client_of: Sign, instructor: User, waiting: TrainingJob, hidden: TrainingJob
) -> None:
    page = text_of(client_of(instructor))
    assert change(waiting, "cancel") in page
    assert change(hidden, "cancel") in page
    assert "Secret plan" in page


def test_an_empty_queue_says_so(client_of: Sign, student: User) -> None:
    assert "Nobody waits" in text_of(client_of(student))


def test_htmx_gets_the_board_alone(client_of: Sign, student: User, waiting: TrainingJob) -> None:
    part = client_of(student).get(PAGE, headers=HTMX).content.decode()
    assert part.strip().startswith('<div class="stack stack--loose" id="queue-board"')


def test_the_page_costs_no_more_queries_for_more_jobs(
    client_of: Sign, instructor: User, waiting: TrainingJob
) -> None:
    board = client_of(instructor)

    def query_count(address: str) -> int:
        with CaptureQueriesContext(connection) as queries:
            board.get(address)
        return len(queries)

    addresses = (PAGE, CALL, f"{PAGE}?page=2")
    few = [query_count(address) for address in addresses]
    for number in range(60):
        owner = User.objects.create(username=f"p{number}")
        make_training_job(
            owner,
            cohort=waiting.cohort,
            dataset_version=waiting.dataset_version,
            base_model=waiting.base_model,
        )
    assert [query_count(address) for address in addresses] == few
    assert "Page 2 of 2" in text_of(board, f"{PAGE}?page=2")


# --- what instructors change ----------------------------------------------------------------------


def test_holding_and_releasing(client_of: Sign, leader: User, waiting: TrainingJob) -> None:
    board = client_of(leader)
    part = board.post(change(waiting, "hold"), headers=HTMX)
    assert "Release" in part.content.decode()
    assert "is held" in part.headers["HX-Trigger"]
    assert stored(waiting).held_at is not None
    # Its page hears of it.
    assert TrainingEvent.objects.filter(job=waiting, type="queue").count() == 1
    held_at = stored(waiting).held_at
    board.post(change(waiting, "hold"), headers=HTMX)
    assert stored(waiting).held_at == held_at
    board.post(change(waiting, "release"), headers=HTMX)
    assert stored(waiting).held_at is None


def test_moving_to_the_front_the_back_and_into_the_fair_order(
    client_of: Sign, instructor: User, waiting: TrainingJob, hidden: TrainingJob
) -> None:
    make_worker()
    board = client_of(instructor)

    def positions() -> list[str]:
        return [entry["name"] for entry in board.get(CALL).json()["items"]]

    assert positions() == ["Rose answers", "Secret plan"]
    board.post(change(hidden, "front"))
    assert positions() == ["Secret plan", "Rose answers"]
    # Who is moved later goes before who was moved earlier.
    board.post(change(waiting, "front"))
    assert positions() == ["Rose answers", "Secret plan"]
    board.post(change(waiting, "back"))
    assert positions() == ["Secret plan", "Rose answers"]
    board.post(change(waiting, "fair"))
    board.post(change(hidden, "fair"))
    assert positions() == ["Rose answers", "Secret plan"]
    assert stored(waiting).priority == stored(hidden).priority == 0


def test_cancelling_tells_the_owner(client_of: Sign, leader: User, waiting: TrainingJob) -> None:
    answer = client_of(leader).post(change(waiting, "cancel"), follow=True)
    assert "“Rose answers” was cancelled." in answer.content.decode()
    assert stored(waiting).status == "cancelled"
    assert Notification.objects.get().kind == "job_cancelled"


def test_pausing_a_class_makes_its_policy_and_changes_nothing_else(
    client_of: Sign, leader: User, cohort: Cohort, waiting: TrainingJob, settings: Any
) -> None:
    settings.MAX_RUNNING_JOBS_PER_PERSON = 3
    board = client_of(leader)
    page = board.post(reverse("training:queue_pause", args=[cohort.pk]), follow=True)
    assert "Nothing of “Garden class” starts now." in page.content.decode()
    policy = ComputePolicy.objects.get()
    assert (policy.is_paused, policy.max_running_jobs) == (True, 3)
    assert "Class paused" in page.content.decode()
    part = board.post(reverse("training:queue_resume", args=[cohort.pk]), headers=HTMX)
    assert "start again" in part.headers["HX-Trigger"]
    assert not ComputePolicy.objects.get().is_paused


def test_a_change_comes_too_late(client_of: Sign, leader: User, student: User, cohort: Any) -> None:
    running, _lease = make_running_job(student, cohort=cohort)
    board = client_of(leader)
    page = board.post(change(running, "hold"), follow=True).content.decode()
    assert "does not wait any more" in page
    assert board.post(f"{JOBS}/{running.pk}/hold").status_code == 409
    assert stored(running).held_at is None


@pytest.mark.parametrize("action", ["hold", "release", "front", "back", "fair", "cancel"])
def test_students_and_leaders_of_other_classes_find_nothing(
    client_of: Sign, student: User, leader: User, waiting: TrainingJob, hidden: Any, action: str
) -> None:
    assert client_of(student).post(change(waiting, action)).status_code == 404
    assert client_of(leader).post(change(hidden, action)).status_code == 404
    observer = make_person("olga")
    Membership.objects.create(user=observer, cohort=waiting.cohort, role=Membership.Role.OBSERVER)
    assert client_of(observer).post(change(waiting, action)).status_code == 404
    assert {stored(job).status for job in (waiting, hidden)} == {"pending"}


def test_addresses_that_mean_nothing(
    client_of: Sign, instructor: User, student: User, waiting: TrainingJob, cohort: Cohort
) -> None:
    assert client_of(instructor).post(change(waiting, "explode")).status_code == 404
    assert client_of(instructor).get(change(waiting, "hold")).status_code == 405
    unknown = reverse("training:queue_change", args=[uuid.uuid4(), "hold"])
    assert client_of(instructor).post(unknown).status_code == 404
    pause = reverse("training:queue_pause", args=[cohort.pk])
    assert client_of(student).post(pause).status_code == 404
    assert not ComputePolicy.objects.exists()


# --- the card on a job's page ---------------------------------------------------------------------


def card_of(client: Client, job: TrainingJob) -> str:
    page = text_of(client, reverse("training:job_detail", args=[job.pk]))
    found = re.search(r'<div id="job-queue".*?</section> </div>', page)
    return found.group(0) if found else ""


def test_the_card_shows_place_start_and_reason(
    client_of: Sign, student: User, other_student: User, waiting: TrainingJob, settings: Any
) -> None:
    settings.JOBS_PER_DEVICE = 1
    make_worker()
    make_running_job(other_student, step_count=25, total_steps=75, device_seconds=120.0)
    card = card_of(client_of(student), waiting)
    assert "Other jobs have the devices now." in card
    assert re.search(r"in [23] to 6 min", card)
    assert "You can close this page" in card
    assert PAGE in card


def test_a_held_job_has_no_place_and_no_start(
    client_of: Sign, student: User, waiting: TrainingJob
) -> None:
    make_worker()
    TrainingJob.objects.filter(pk=waiting.pk).update(held_at=timezone.now())
    card = card_of(client_of(student), waiting)
    assert "An instructor holds this job." in card
    assert "Expected start" not in card
    assert "Place" not in card


def test_a_job_that_does_not_wait_has_no_card(client_of: Sign, student: User) -> None:
    job = make_completed_job(student)
    page = text_of(client_of(student), reverse("training:job_detail", args=[job.pk]))
    assert '<div id="job-queue"> </div>' in page


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ({}, "A worker takes this job in a moment."),
        ({"not_before": timedelta(minutes=5)}, "The worker of this job was lost."),
        ({"lora_config": {"variant": "qlora"}}, "NVIDIA GPU"),
        ({"is_paused": True}, "The queue of this class is paused."),
        ({"used": 900.0}, "Your device time of today in this class is used up."),
        ({"window": True}, "The devices are reserved for another class until"),
        ({"runs": True}, "Your other job is running."),
    ],
)
def test_every_reason_has_its_sentence(
    client_of: Sign,
    student: User,
    waiting: TrainingJob,
    settings: Any,
    state: dict[str, Any],
    sentence: str,
) -> None:
    make_worker()
    policy = ComputePolicy.objects.create(cohort=waiting.cohort, max_device_seconds=600)
    fields = {name: value for name, value in state.items() if name == "lora_config"}
    if "not_before" in state:
        fields["not_before"] = timezone.now() + state["not_before"]
    if fields:
        TrainingJob.objects.filter(pk=waiting.pk).update(**fields)
    if "is_paused" in state:
        ComputePolicy.objects.filter(pk=policy.pk).update(is_paused=True)
    if "used" in state:
        DeviceUsage.objects.create(
            user=student, cohort=waiting.cohort, day=timezone.now().date(), seconds=state["used"]
        )
    if "runs" in state:
        make_running_job(student, dataset_version=waiting.dataset_version)
    if "window" in state:
        settings.JOBS_PER_DEVICE = 1
        lesson = Cohort.objects.create(name="Lesson")
        now = timezone.now()
        lesson.class_windows.create(starts_at=now, ends_at=now + timedelta(hours=1))
        make_training_job(cohort=lesson)
    assert sentence in card_of(client_of(student), waiting)


# --- the API --------------------------------------------------------------------------------------


def test_the_api_gives_own_jobs_and_leaders_those_of_their_class(
    client_of: Sign, student: User, leader: User, waiting: TrainingJob, hidden: TrainingJob
) -> None:
    make_worker()
    (entry,) = client_of(student).get(CALL).json()["items"]
    assert entry["job_id"] == str(waiting.pk)
    assert (entry["queue_position"], entry["is_own"], entry["owner"]) == (1, True, "aiko")
    assert entry["wait_reason"]["code"] == "next"
    assert entry["wait_reason"]["message"] == "A worker takes this job in a moment."
    assert entry["expected_start"]["earliest"] <= entry["expected_start"]["latest"]
    (led,) = client_of(leader).get(CALL).json()["items"]
    assert (led["job_id"], led["is_own"]) == (str(waiting.pk), False)


def test_leaders_hold_release_and_move_by_api(
    client_of: Sign, student: User, leader: User, waiting: TrainingJob
) -> None:
    board = client_of(leader)
    assert board.post(f"{JOBS}/{waiting.pk}/hold").status_code == 204
    (entry,) = board.get(CALL).json()["items"]
    assert (entry["queue_position"], entry["expected_start"]) == (None, None)
    assert entry["wait_reason"]["code"] == "held"
    assert board.post(f"{JOBS}/{waiting.pk}/release").status_code == 204
    move = f"{JOBS}/{waiting.pk}/move"
    assert board.post(move, {"to": "front"}, content_type="application/json").status_code == 204
    assert stored(waiting).priority == 1
    wrong = board.post(move, {"to": "moon"}, content_type="application/json")
    assert wrong.status_code == 422
    assert client_of(student).post(f"{JOBS}/{waiting.pk}/hold").status_code == 404


def test_a_list_of_jobs_makes_one_forecast(
    client_of: Sign, student: User, waiting: TrainingJob
) -> None:
    make_worker()
    client = client_of(student)

    def query_count() -> int:
        with CaptureQueriesContext(connection) as queries:
            client.get(JOBS)
        return len(queries)

    few = query_count()
    for _number in range(8):
        make_training_job(student, dataset_version=waiting.dataset_version)
    assert query_count() == few
    items = client.get(JOBS).json()["items"]
    assert sorted(item["queue_position"] for item in items) == list(range(1, 10))
    first = next(item for item in items if item["queue_position"] == 1)
    assert first["id"] == str(waiting.pk)
    assert first["wait_reason"] == {
        "code": "next",
        "message": "A worker takes this job in a moment.",
        "until": None,
    }


def test_a_job_that_is_over_has_neither_place_nor_reason(client_of: Sign, student: User) -> None:
    job = make_completed_job(student)
    item = client_of(student).get(f"{JOBS}/{job.pk}").json()
    assert (item["queue_position"], item["expected_start"], item["wait_reason"]) == (None,) * 3


# --- administration -------------------------------------------------------------------------------


def test_admin_holds_and_moves_many(client_of: Sign, instructor: User, waiting: Any) -> None:
    board, list_page = client_of(instructor), reverse("admin:training_trainingjob_changelist")
    over = make_completed_job(dataset_version=waiting.dataset_version)
    chosen = [waiting.pk, over.pk]
    for action in ("hold_jobs", "move_to_front"):
        page = board.post(
            list_page, {"action": action, "_selected_action": chosen}, follow=True
        ).content.decode()
        assert "1 job was changed." in page
        assert "1 job does not wait any more." in page
    assert stored(waiting).held_at is not None
    assert stored(waiting).priority == 1
    board.post(list_page, {"action": "release_jobs", "_selected_action": chosen})
    board.post(list_page, {"action": "move_to_back", "_selected_action": chosen})
    assert (stored(waiting).held_at, stored(waiting).priority) == (None, -1)


def test_admin_sums_up_the_device_time_that_the_filters_leave(
    client_of: Sign, instructor: User, student: User, cohort: Cohort
) -> None:
    today = timezone.now().date()
    for number, seconds in enumerate((90.0, 30.0)):
        day = today - timedelta(days=number)
        DeviceUsage.objects.create(user=student, cohort=cohort, day=day, seconds=seconds)
    DeviceUsage.objects.create(user=student, day=today, seconds=3600.0)
    page = reverse("admin:training_deviceusage_changelist")
    board = client_of(instructor)
    assert "1 h 02 min in all" in board.get(page).content.decode()
    of_class = board.get(page, {"cohort__id__exact": str(cohort.pk)}).content.decode()
    assert "2 min 00 s in all" in of_class
    assert client_of(student).get(page).status_code == 302


def test_admin_sets_a_class_policy_and_windows(client_of: Sign, cohort: Cohort) -> None:
    superuser = make_person("root", is_staff=True, is_superuser=True)
    page = client_of(superuser).get(reverse("admin:accounts_cohort_change", args=[cohort.pk]))
    text = page.content.decode()
    assert 'name="compute_policy-0-max_rank"' in text
    assert 'name="class_windows-0-starts_at_0"' in text
    assert f"cohort__id__exact={cohort.pk}" in text
