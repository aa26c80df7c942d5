"""The page about the data of a class: requests, how long work is kept, and the log."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.auditing import note_act
from accounts.models import AuditEvent, Cohort, DataRequest, Membership, User
from accounts.privacy.asking import ask_erasure, ask_erasure_of_student, ask_export

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]
MADE_UP = "?projected=1"


@pytest.fixture
def cohort(instructor: User, student: User) -> Cohort:
    cohort = Cohort.objects.create(name="Class 2B")
    Membership.objects.create(cohort=cohort, user=instructor, role="instructor")
    Membership.objects.create(cohort=cohort, user=student)
    return cohort


def make_member(cohort: Cohort, name: str, role: str = "student", **fields: Any) -> User:
    user = User.objects.create_user(name, f"{name}@example.org", **fields)
    Membership.objects.create(cohort=cohort, user=user, role=role)
    return user


def address(cohort: Cohort, name: str = "privacy", *more: object) -> str:
    return reverse(f"classroom:{name}", args=[cohort.pk, *more])


def page_of(client: Client, cohort: Cohort, query: str = "") -> str:
    answer = client.get(address(cohort) + query)
    assert answer.status_code == 200
    return answer.content.decode()


# --- who may ----------------------------------------------------------------------------------------


def test_it_is_not_there_for_others(
    cohort: Cohort, student: User, other_student: User, client_of: SignIn
) -> None:
    for person in (student, other_student):
        client = client_of(person)
        assert client.get(address(cohort)).status_code == 404
        assert client.post(address(cohort, "privacy_retention")).status_code == 404
        assert client.post(address(cohort, "privacy_erase")).status_code == 404
    assert Client().get(address(cohort)).url.startswith(reverse("account_login"))


def test_an_observer_only_looks(cohort: Cohort, instructor: User, client_of: SignIn) -> None:
    observer = make_member(cohort, "olga", "observer")
    student = Membership.objects.get(cohort=cohort, role="student").user
    request = ask_erasure_of_student(instructor, cohort, student)
    client = client_of(observer)
    page = page_of(client, cohort)
    assert "aiko" in page
    assert "<form" not in page.split("<main")[1].replace('<form class="class-log__filter"', "")
    posts = {
        address(cohort, "privacy_retention"): {"retention_days": 5},
        address(cohort, "privacy_erase"): {"student": student.pk},
        address(cohort, "privacy_cancel", request.pk): {},
    }
    for target, fields in posts.items():
        assert client.post(target, fields).status_code == 403
    request.refresh_from_db()
    assert request.state == "waiting"


# --- how long work is kept --------------------------------------------------------------------------


def test_how_long_work_is_kept_is_set(cohort: Cohort, instructor: User, client_of: SignIn) -> None:
    client = client_of(instructor)
    assert "kept until somebody deletes it" in page_of(client, cohort)
    answer = client.post(address(cohort, "privacy_retention"), {"retention_days": "30"})
    assert answer.url == address(cohort)
    cohort.refresh_from_db()
    assert cohort.retention_days == 30
    assert "has no last day" in page_of(client, cohort)
    Cohort.objects.update(ends_on=date(2031, 3, 1))
    assert "From 1 Apr 2031 on" in page_of(client, cohort)
    entry = AuditEvent.objects.get()
    assert (entry.kind, entry.actor) == ("cohort_changed", instructor)
    assert entry.details == {"what": "retention_days", "days": 30}


def test_the_same_number_is_no_change(cohort: Cohort, instructor: User, client_of: SignIn) -> None:
    client = client_of(instructor)
    client.post(address(cohort, "privacy_retention"), {"retention_days": ""})
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize("days", ["0", "3651", "many", "-3"])
def test_bad_numbers_are_refused_at_the_field(
    cohort: Cohort, instructor: User, client_of: SignIn, days: str
) -> None:
    answer = client_of(instructor).post(
        address(cohort, "privacy_retention"), {"retention_days": days}
    )
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "field__error" in page
    assert f'value="{days}"' in page
    cohort.refresh_from_db()
    assert cohort.retention_days is None


# --- requests ---------------------------------------------------------------------------------------


def test_requests_of_its_students_are_listed(
    cohort: Cohort, instructor: User, student: User, other_student: User, client_of: SignIn
) -> None:
    client = client_of(instructor)
    assert "Nobody has asked" in page_of(client, cohort)
    ask_export(student)
    ask_erasure(student)
    ask_export(other_student)
    page = page_of(client, cohort)
    assert page.count("asked for by the person") == 2
    # What a student asked is the student's to take back.
    assert "/cancel/" not in page


def test_a_leader_asks_and_takes_back(
    cohort: Cohort, instructor: User, student: User, client_of: SignIn
) -> None:
    client = client_of(instructor)
    answer = client.post(address(cohort, "privacy_erase"), {"student": student.pk})
    assert answer.url == address(cohort)
    request = DataRequest.objects.get()
    assert (request.person, request.cohort) == (student, cohort)
    again = client.post(address(cohort, "privacy_erase"), {"student": student.pk})
    assert again.status_code == 422
    client.post(address(cohort, "privacy_cancel", request.pk))
    request.refresh_from_db()
    assert request.state == "cancelled"
    kinds = set(AuditEvent.objects.values_list("kind", flat=True))
    assert kinds == {"data_erase_asked", "data_request_cancelled"}


def test_only_students_of_this_class_alone_can_be_chosen(
    cohort: Cohort, instructor: User, other_student: User, client_of: SignIn
) -> None:
    busy = make_member(cohort, "busy")
    elsewhere = Cohort.objects.create(name="Chess club")
    Membership.objects.create(cohort=elsewhere, user=busy)
    client = client_of(instructor)
    page = page_of(client, cohort)
    assert f'<option value="{busy.pk}">' not in page
    for person in (busy, other_student, instructor):
        answer = client.post(address(cohort, "privacy_erase"), {"student": person.pk})
        assert answer.status_code == 422
        assert "field__error" in answer.content.decode()
    assert client.post(address(cohort, "privacy_erase"), {"student": "x"}).status_code == 422
    assert not DataRequest.objects.exists()


def test_requests_of_another_class_are_not_there(
    cohort: Cohort, instructor: User, student: User, client_of: SignIn
) -> None:
    request = ask_erasure_of_student(instructor, cohort, student)
    other = Cohort.objects.create(name="Class 2C")
    leader = make_member(other, "leo", "instructor")
    client = client_of(leader)
    for target in (
        address(other, "privacy_cancel", request.pk),
        address(other, "privacy_cancel", uuid4()),
    ):
        assert client.post(target).status_code == 404
    assert client.post(address(cohort, "privacy_cancel", request.pk)).status_code == 404
    request.refresh_from_db()
    assert request.state == "waiting"


# --- the log ----------------------------------------------------------------------------------------


def test_the_log_is_found_by_kind_and_person(
    cohort: Cohort, instructor: User, student: User, client_of: SignIn
) -> None:
    client = client_of(instructor)
    assert "Nothing is in the log yet" in page_of(client, cohort)
    ben = make_member(cohort, "benno")
    note_act(instructor, "role_changed", cohort=cohort, person=student, role="student")
    note_act(instructor, "member_removed", cohort=cohort, person=ben)
    note_act(instructor, "queue_paused")
    page = page_of(client, cohort)
    assert page.index("chiyo removed benno") < page.index("chiyo changed the role of aiko")
    assert "paused the queue" not in page
    by_kind = page_of(client, cohort, "?kind=role_changed")
    assert "changed the role of aiko" in by_kind
    assert "removed benno" not in by_kind
    by_person = page_of(client, cohort, f"?person={ben.pk}")
    assert "removed benno" in by_person
    assert "changed the role" not in by_person
    assert "No entry fits" in page_of(client, cohort, f"?person={ben.pk}&kind=role_changed")


@pytest.mark.parametrize(
    "query", ["?person=x", "?person=99999999999999999999", "?kind=%00", "?page=x", "?person=²"]
)
def test_a_bad_filter_is_no_failure(
    cohort: Cohort, instructor: User, client_of: SignIn, query: str
) -> None:
    note_act(instructor, "queue_paused", cohort=cohort)
    page_of(client_of(instructor), cohort, query)


def test_a_projected_page_names_nobody(
    cohort: Cohort, instructor: User, student: User, client_of: SignIn
) -> None:
    gone = User.objects.create_user("gustav")
    note_act(instructor, "member_removed", cohort=cohort, person=gone)
    note_act(instructor, "role_changed", cohort=cohort, person=student, role="student")
    ask_export(student)
    client = client_of(instructor)
    assert "gustav" in page_of(client, cohort)
    main = page_of(client, cohort, MADE_UP).split("<main")[1]
    for name in ("gustav", "aiko"):
        assert name not in main
    # What is posted from there leads back there.
    answer = client.post(address(cohort, "privacy_retention") + MADE_UP, {"retention_days": 5})
    assert answer.url.endswith(MADE_UP)


def test_the_log_has_pages(cohort: Cohort, instructor: User, client_of: SignIn) -> None:
    for _turn in range(30):
        note_act(instructor, "queue_paused", cohort=cohort)
    client = client_of(instructor)
    assert page_of(client, cohort).count("paused the queue") == 25
    second = page_of(client, cohort, "?page=2&kind=queue_paused")
    assert second.count("paused the queue") == 5
    assert "kind=queue_paused" in second


def test_the_queries_do_not_grow_with_the_class(
    cohort: Cohort, instructor: User, client_of: SignIn
) -> None:
    client = client_of(instructor)

    def grow(names: range) -> int:
        for number in names:
            person = make_member(cohort, f"student-{number}")
            ask_export(person)
            ask_erasure_of_student(instructor, cohort, person)
            note_act(instructor, "role_changed", cohort=cohort, person=person, role="student")
        page_of(client, cohort)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            page_of(client, cohort)
        return len(queries)

    assert grow(range(3)) == grow(range(3, 12))
