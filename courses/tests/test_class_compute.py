"""The devices of a class: what they work on, who waits, what was used, limits, class times, the pause."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent, ClassWindow, Cohort, ComputePolicy, Membership, User
from modelhub.models import Worker
from training.models import DeviceUsage, TrainingJob
from training.tests.factories import make_person, make_running_job, make_training_job

pytestmark = pytest.mark.django_db
Sign = Callable[[User], Client]
Role = Membership.Role


@pytest.fixture
def cohort() -> Cohort:
    return Cohort.objects.create(name="Garden class", time_zone="Asia/Tokyo")


def member(cohort: Cohort, name: str, role: str = Role.STUDENT) -> User:
    person = make_person(name, display_name=name.capitalize())
    Membership.objects.create(cohort=cohort, user=person, role=role)
    return person


@pytest.fixture
def instructor_of(cohort: Cohort) -> User:
    return member(cohort, "ines", Role.INSTRUCTOR)


@pytest.fixture
def assistant(cohort: Cohort) -> User:
    return member(cohort, "leo", Role.ASSISTANT)


@pytest.fixture
def observer(cohort: Cohort) -> User:
    return member(cohort, "olga", Role.OBSERVER)


def url(cohort: Cohort, name: str = "compute", *more: object) -> str:
    return reverse(f"classroom:{name}", args=[cohort.pk, *more])


def kinds() -> list[str]:
    return list(AuditEvent.objects.order_by("created_at").values_list("kind", flat=True))


def worker(name: str = "test-worker") -> Worker:
    return Worker.objects.create(
        name=name, state=Worker.State.BUSY, device="cpu", heartbeat_at=timezone.now()
    )


LIMITS = {
    "weight": "2",
    "max_running_jobs": "2",
    "max_queued_jobs": "5",
    "max_rank": "32",
    "max_steps": "500",
    "max_device_seconds": "3600",
}


# --- what is shown --------------------------------------------------------------------------------


def test_the_page_shows_devices_queue_and_usage(
    cohort: Cohort, observer: User, client_of: Sign
) -> None:
    mina, noah = member(cohort, "mina"), member(cohort, "noah")
    worker()
    make_running_job(mina, name="Roses", cohort=cohort, step_count=15)
    make_running_job(make_person("stranger"), name="Secret")
    make_training_job(noah, name="Ferns", cohort=cohort)
    ComputePolicy.objects.create(cohort=cohort, max_device_seconds=1000)
    today = datetime.now(UTC).date()
    for person, day, seconds in (
        (mina, today, 250.0),
        (noah, today, 1200.0),
        (noah, today - timedelta(days=1), 999.0),
    ):
        DeviceUsage.objects.create(user=person, cohort=cohort, day=day, seconds=seconds)
    DeviceUsage.objects.create(user=mina, cohort=None, day=today, seconds=500)
    page = client_of(observer).get(url(cohort)).content.decode()
    main = page.partition("<main")[2]
    for text in ("Roses", "Mina", "20%", "1 job of others", "Ferns", "25%", "used up"):
        assert text in main
    assert "Secret" not in main
    tabs = [reverse(f"classroom:{name}", args=[cohort.pk]) for name in ("runs", "sweep", "compute")]
    assert all(f'href="{address}"' in main for address in tabs)
    used = re.findall(
        r'<th scope="row" dir="auto">(\w+)</th>\s*<td class="is-number">([^<]*)<', main
    )
    assert used == [("Noah", "20 min 00 s"), ("Mina", "4 min 10 s")]
    assert 'method="post" action="/admin/classroom' not in main


def test_a_projected_page_gives_no_real_name_away(
    cohort: Cohort, assistant: User, client_of: Sign
) -> None:
    mina = member(cohort, "mina")
    worker()
    make_running_job(mina, cohort=cohort, name="Roses")
    make_training_job(mina, cohort=cohort, name="Ferns")
    page = client_of(assistant).get(url(cohort), {"projected": "1"}).content.decode()
    for word in ("Mina", "Roses", "Ferns"):
        assert word not in page.partition("<main")[2]


def test_an_empty_page_says_so(cohort: Cohort, assistant: User, client_of: Sign) -> None:
    page = client_of(assistant).get(url(cohort)).content.decode()
    for text in ("No worker is running.", "Nobody of the class waits.", "no students yet"):
        assert text in page
    assert client_of(member(cohort, "mina")).get(url(cohort)).status_code == 404


def test_the_page_costs_the_same_for_many_students(
    cohort: Cohort, assistant: User, client_of: Sign
) -> None:
    worker()
    client = client_of(assistant)

    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert client.get(url(cohort)).status_code == 200
        return len(queries)

    def students(names: str, count: int) -> None:
        for number in range(count):
            person = member(cohort, f"{names}{number}")
            make_running_job(person, cohort=cohort)
            make_training_job(person, cohort=cohort)
            DeviceUsage.objects.create(
                user=person, cohort=cohort, day=datetime.now(UTC).date(), seconds=number + 1
            )

    students("few", 3)
    count()
    few = count()
    students("many", 9)
    assert count() == few


# --- limits ---------------------------------------------------------------------------------------


def test_an_instructor_sets_the_limits(
    cohort: Cohort, instructor_of: User, client_of: Sign
) -> None:
    client = client_of(instructor_of)
    assert client.post(url(cohort, "compute_policy"), LIMITS).status_code == 302
    policy = ComputePolicy.objects.get()
    assert (policy.weight, policy.max_rank, policy.max_device_seconds) == (2.0, 32, 3600)
    event = AuditEvent.objects.get()
    assert event.kind == "policy_changed"
    assert event.details["changed"]["max_rank"] == [None, 32]
    # Saved again, nothing is changed and nothing is noted.
    client.post(url(cohort, "compute_policy"), LIMITS)
    client.post(url(cohort, "compute_policy"), LIMITS | {"max_rank": ""})
    assert kinds() == ["policy_changed", "policy_changed"]
    policy.refresh_from_db()
    assert policy.max_rank is None


def test_a_pause_outlives_new_limits(cohort: Cohort, instructor_of: User, client_of: Sign) -> None:
    client = client_of(instructor_of)
    client.post(url(cohort, "compute_pause", "pause"))
    client.post(url(cohort, "compute_policy"), LIMITS)
    assert ComputePolicy.objects.get().is_paused


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("weight", "0"),
        ("weight", "nan"),
        ("weight", "1e9"),
        ("max_running_jobs", ""),
        ("max_running_jobs", "0"),
        ("max_queued_jobs", "0"),
        ("max_rank", "0"),
        ("max_steps", "-1"),
        ("max_device_seconds", "0"),
        ("max_device_seconds", "99999999999999999999"),
        ("max_rank", "many"),
    ],
)
def test_limits_that_can_not_be_are_told_at_their_field(
    cohort: Cohort, instructor_of: User, client_of: Sign, field: str, value: str
) -> None:
    answer = client_of(instructor_of).post(url(cohort, "compute_policy"), LIMITS | {field: value})
    assert answer.status_code == 422
    page = answer.content.decode()
    assert f'id="id_{field}_error"' in page
    if value:
        assert f'value="{value}"' in page
    assert not ComputePolicy.objects.exists()
    assert kinds() == []


def test_only_instructors_set_the_limits(
    cohort: Cohort, assistant: User, observer: User, client_of: Sign
) -> None:
    for person in (assistant, observer):
        answer = client_of(person).post(url(cohort, "compute_policy"), LIMITS)
        assert answer.status_code == 403
        assert 'name="max_rank"' not in client_of(person).get(url(cohort)).content.decode()
    assert not ComputePolicy.objects.exists()


def test_whoever_may_not_set_limits_learns_it_before_their_faults(
    cohort: Cohort, assistant: User, client_of: Sign
) -> None:
    answer = client_of(assistant).post(url(cohort, "compute_policy"), {"weight": "x"})
    assert answer.status_code == 403


# --- class times ----------------------------------------------------------------------------------


def test_a_class_time_is_entered_in_the_time_of_the_class(
    cohort: Cohort, assistant: User, client_of: Sign
) -> None:
    client = client_of(assistant)
    typed = {"starts_at": "2090-04-01T13:00", "ends_at": "2090-04-01T14:30"}
    assert client.post(url(cohort, "compute_window_add"), typed).status_code == 302
    window = ClassWindow.objects.get()
    assert window.starts_at == datetime(2090, 4, 1, 4, tzinfo=UTC)
    page = client.get(url(cohort)).content.decode()
    assert "Asia/Tokyo" in page
    assert re.search(r"2090[^<]*(13:00|1 p\.m\.)", page)
    removed = client.post(url(cohort, "compute_window_remove", window.pk))
    assert removed.status_code == 302
    assert not ClassWindow.objects.exists()
    assert kinds() == ["class_window_added", "class_window_removed"]
    assert client.post(url(cohort, "compute_window_remove", window.pk)).status_code == 404


@pytest.mark.parametrize(
    ("starts", "ends", "field"),
    [
        ("", "", "window-starts-error"),
        ("soon", "2090-04-01T14:00", "window-starts-error"),
        ("2090-04-01T13:00", "9999-12-31T23:59", "window-ends-error"),
        ("2090-04-01T13:00", "2090-04-01T13:00", "window-ends-error"),
        ("2090-04-01T13:00", "2090-04-01T12:00", "window-ends-error"),
        ("2090-04-01T13:00", "2090-04-03T13:00", "window-ends-error"),
        ("2001-04-01T13:00", "2001-04-01T14:00", "window-ends-error"),
    ],
)
def test_a_time_that_can_not_be_is_told_at_its_field(
    cohort: Cohort, assistant: User, client_of: Sign, starts: str, ends: str, field: str
) -> None:
    answer = client_of(assistant).post(
        url(cohort, "compute_window_add"), {"starts_at": starts, "ends_at": ends}
    )
    assert answer.status_code == 422
    page = answer.content.decode()
    assert f'id="{field}"' in page
    assert f'value="{starts}"' in page
    assert not ClassWindow.objects.exists()


def test_class_times_do_not_overlap(cohort: Cohort, assistant: User, client_of: Sign) -> None:
    client = client_of(assistant)
    add = url(cohort, "compute_window_add")
    client.post(add, {"starts_at": "2090-04-01T13:00", "ends_at": "2090-04-01T14:00"})
    twice = client.post(add, {"starts_at": "2090-04-01T13:30", "ends_at": "2090-04-01T15:00"})
    assert twice.status_code == 422
    after = client.post(add, {"starts_at": "2090-04-01T14:00", "ends_at": "2090-04-01T15:00"})
    assert after.status_code == 302
    assert ClassWindow.objects.count() == 2


def test_a_time_of_another_class_is_not_removed(
    cohort: Cohort, assistant: User, observer: User, client_of: Sign
) -> None:
    now = timezone.now()
    other = Cohort.objects.create(name="Other")
    theirs = ClassWindow.objects.create(
        cohort=other, starts_at=now, ends_at=now + timedelta(hours=1)
    )
    ours = ClassWindow.objects.create(
        cohort=cohort, starts_at=now, ends_at=now + timedelta(hours=1)
    )
    client = client_of(assistant)
    assert client.post(url(cohort, "compute_window_remove", theirs.pk)).status_code == 404
    watched = client_of(observer).post(url(cohort, "compute_window_remove", ours.pk))
    assert watched.status_code == 403
    assert ClassWindow.objects.count() == 2


# --- the pause ------------------------------------------------------------------------------------


def test_the_queue_of_the_class_is_paused_and_resumed(
    cohort: Cohort, assistant: User, observer: User, client_of: Sign
) -> None:
    assert client_of(observer).post(url(cohort, "compute_pause", "pause")).status_code == 403
    client = client_of(assistant)
    client.post(url(cohort, "compute_pause", "pause"))
    assert ComputePolicy.objects.get().is_paused
    assert "Resume the queue" in client.get(url(cohort)).content.decode()
    client.post(url(cohort, "compute_pause", "resume"))
    assert not ComputePolicy.objects.get().is_paused
    assert client.post(url(cohort, "compute_pause", "stop")).status_code == 404
    assert kinds() == ["queue_paused", "queue_resumed"]


def test_a_waiting_job_is_held_from_this_page(
    cohort: Cohort, assistant: User, client_of: Sign
) -> None:
    job = make_training_job(member(cohort, "mina"), cohort=cohort)
    client = client_of(assistant)
    page = client.get(url(cohort)).content.decode()
    hold = reverse("classroom:run_act", args=[cohort.pk, job.pk, "hold"])
    assert hold in page
    assert client.post(hold, {"next": url(cohort)}).url == url(cohort)
    assert TrainingJob.objects.get().held_at is not None
