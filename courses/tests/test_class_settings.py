"""Making a class and changing what it is: by whom, and with what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent, Cohort, Membership, User

pytestmark = pytest.mark.django_db
NEW = reverse("accounts:class_new")
GIVEN = {
    "name": "  Evening  class ",
    "language": "ja",
    "time_zone": "Asia/Tokyo",
    "starts_on": "2026-12-01",
    "ends_on": "2026-12-20",
    "seats": "30",
    "needs_approval": "on",
}
SignIn = Callable[[User], Client]


@pytest.fixture
def cohort(instructor: User) -> Cohort:
    cohort = Cohort.objects.create(name="Class 2B")
    Membership.objects.create(cohort=cohort, user=instructor, role=Membership.Role.INSTRUCTOR)
    return cohort


def address(cohort: Cohort) -> str:
    return reverse("classroom:settings", args=[cohort.pk])


def form_of(client: Client, cohort: Cohort, **changes: Any) -> dict[str, Any]:
    """What the page's form would send, with changes."""
    form = client.get(address(cohort)).context["form"]
    values = {name: form[name].value() for name in form.fields}
    return {name: value for name, value in (values | changes).items() if value not in (None, False)}


def test_who_makes_a_class_leads_it(instructor: User, client_of: SignIn) -> None:
    assert client_of(instructor).post(NEW, GIVEN).status_code == 302
    cohort = Cohort.objects.get()
    assert (cohort.name, cohort.seats, cohort.needs_approval) == ("Evening class", 30, True)
    assert list(Cohort.objects.led_by(instructor)) == [cohort]
    assert AuditEvent.objects.get().kind == "class_made"


def test_students_make_no_class(student: User, client_of: SignIn) -> None:
    answer = client_of(student).post(NEW, GIVEN)
    assert answer.status_code == 403
    assert "Only instructors can make a class" in answer.content.decode()
    assert not Cohort.objects.exists()


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("name", "   ", "name"),
        ("time_zone", "Mars/Olympus", "Asia/Tokyo"),
        ("ends_on", "2026-11-01", "before the first one"),
        ("seats", "-3", "greater than or equal to 0"),
        ("starts_on", "2026-02-30", "valid date"),
    ],
)
def test_bad_input_is_told_and_nothing_is_made(
    instructor: User, client_of: SignIn, field: str, value: str, said: str
) -> None:
    answer = client_of(instructor).post(NEW, GIVEN | {field: value})
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert not Cohort.objects.exists()


def test_a_class_is_changed_and_the_log_says_what(
    instructor: User, cohort: Cohort, client_of: SignIn
) -> None:
    client = client_of(instructor)
    sent = form_of(client, cohort, name="Class 3B", ends_on="2026-12-24")
    assert client.post(address(cohort), sent).status_code == 302
    cohort.refresh_from_db()
    assert (cohort.name, str(cohort.ends_on)) == ("Class 3B", "2026-12-24")
    assert AuditEvent.objects.get().details == {"fields": ["ends_on", "name"]}


def test_of_two_who_change_it_at_once_the_second_is_told(
    instructor: User, cohort: Cohort, client_of: SignIn
) -> None:
    client = client_of(instructor)
    first, second = form_of(client, cohort, name="First"), form_of(client, cohort, name="Second")
    assert client.post(address(cohort), first).status_code == 302
    answer = client.post(address(cohort), second)
    assert answer.status_code == 422
    assert "Somebody else has changed this class" in answer.content.decode()
    cohort.refresh_from_db()
    assert cohort.name == "First"


@pytest.mark.parametrize(
    ("role", "status"),
    [("assistant", 200), ("observer", 403), ("student", 404), ("", 404)],
)
def test_who_may_change_a_class(
    student: User, cohort: Cohort, client_of: SignIn, role: str, status: int
) -> None:
    if role:
        Membership.objects.create(cohort=cohort, user=student, role=role)
    client = client_of(student)
    assert client.get(address(cohort)).status_code == status
    if status != 200:
        assert client.post(address(cohort), GIVEN).status_code == status
        cohort.refresh_from_db()
        assert cohort.name == "Class 2B"


def test_signed_out_people_are_led_to_sign_in(client: Client, cohort: Cohort) -> None:
    assert "/accounts/login/" in client.get(address(cohort))["Location"]
