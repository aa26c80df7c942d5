"""Who is on the roster of a class is in it from the first sign-in on, and never as more than is proven."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from sesame.utils import get_token

from accounts.joining.roster import claim_entries, hear_confirmation
from accounts.models import AuditEvent, Cohort, JoinRequest, Membership, Notification, User
from accounts.tests.classes import make_class, put
from conftest import PASSWORD

pytestmark = pytest.mark.django_db


@pytest.fixture
def cohort(instructor: User) -> Cohort:
    return make_class(instructor)


def expect(cohort: Cohort, role: str = "student", **who: str) -> Any:
    return cohort.roster.create(role=role, **who)


def own(person: User, address: str, *, verified: bool) -> EmailAddress:
    return EmailAddress.objects.create(user=person, email=address, verified=verified)


def role_in(cohort: Cohort, person: User) -> str:
    member = Membership.objects.filter(cohort=cohort, user=person).first()
    return member.role if member else ""


def sign_in(name: str) -> Any:
    return Client().post(reverse("account_login"), {"login": name, "password": PASSWORD})


def test_who_signs_in_is_in_the_class_that_expects_them(student: User, cohort: Cohort) -> None:
    entry = expect(cohort, username="aiko")
    sign_in("aiko")
    member = Membership.objects.get(user=student)
    assert (member.cohort, member.role, member.source) == (cohort, "student", "roster")
    entry.refresh_from_db()
    assert entry.claimed_by == student
    event = AuditEvent.objects.get()
    assert (event.kind, event.person, event.details) == (
        "roster_claimed",
        student,
        {"role": "student"},
    )
    assert Notification.objects.get(user=student).kind == "roster_claimed"
    sign_in("aiko")
    assert AuditEvent.objects.count() == 1


def test_signing_up_and_the_one_time_link_count_too(student: User, cohort: Cohort) -> None:
    expect(cohort, username="dai")
    expect(cohort, username="aiko")
    fields = {"username": "dai", "password1": PASSWORD, "password2": PASSWORD}
    Client().post(reverse("account_signup"), fields)
    Client().post(reverse("accounts:sign_in"), {"token": get_token(student)})
    people = cohort.memberships.filter(source="roster").values_list("user__username", flat=True)
    assert set(people) == {"aiko", "dai"}


@pytest.mark.parametrize("role", ["student", "observer", "assistant", "instructor"])
def test_a_confirmed_address_gives_the_role_of_the_roster(
    student: User, cohort: Cohort, role: str
) -> None:
    expect(cohort, role, email="aiko@school.example")
    own(student, "Aiko@School.example", verified=True)
    claim_entries(student)
    assert role_in(cohort, student) == role


@pytest.mark.parametrize("role", ["observer", "assistant", "instructor"])
def test_a_user_name_makes_nobody_more_than_a_student(
    student: User, cohort: Cohort, role: str
) -> None:
    expect(cohort, role, username="aiko")
    claim_entries(student)
    assert role_in(cohort, student) == "student"


def test_an_address_that_nobody_confirmed_proves_nothing(student: User, cohort: Cohort) -> None:
    entry = expect(cohort, "instructor", email="aiko@example.org")
    own(student, "aiko@example.org", verified=False)
    claim_entries(student)
    assert role_in(cohort, student) == ""
    entry.refresh_from_db()
    assert entry.claimed_by is None


def test_user_names_are_told_apart_by_case(student: User, cohort: Cohort) -> None:
    expect(cohort, username="Aiko")
    expect(cohort, username="aiko2")
    claim_entries(student)
    assert role_in(cohort, student) == ""


def test_confirming_an_address_lets_in(student: User, cohort: Cohort) -> None:
    expect(cohort, "assistant", email="aiko@example.org")
    address = own(student, "aiko@example.org", verified=False)
    key = EmailConfirmationHMAC.create(address).key
    Client().post(reverse("account_confirm_email", args=[key]))
    assert role_in(cohort, student) == "assistant"


def test_confirming_an_address_later_proves_who_came_in_by_name(
    student: User, cohort: Cohort
) -> None:
    expect(cohort, "instructor", username="aiko", email="aiko@example.org")
    claim_entries(student)
    assert role_in(cohort, student) == "student"
    address = own(student, "aiko@example.org", verified=True)
    hear_confirmation(email_address=address)
    assert role_in(cohort, student) == "instructor"
    Membership.objects.filter(user=student).delete()
    hear_confirmation(email_address=address)
    assert role_in(cohort, student) == ""


def test_a_role_is_raised_and_never_lowered(
    student: User, instructor: User, cohort: Cohort
) -> None:
    put(student, cohort)
    expect(cohort, "assistant", email="aiko@example.org")
    own(student, "aiko@example.org", verified=True)
    claim_entries(student)
    assert role_in(cohort, student) == "assistant"
    entry = expect(cohort, username="chiyo")
    claim_entries(instructor)
    assert role_in(cohort, instructor) == "instructor"
    entry.refresh_from_db()
    assert entry.claimed_by == instructor
    assert not Notification.objects.filter(user=instructor).exists()


def test_who_was_removed_is_not_let_in_again(student: User, cohort: Cohort) -> None:
    expect(cohort, username="aiko")
    claim_entries(student)
    Membership.objects.filter(user=student).delete()
    claim_entries(student)
    assert role_in(cohort, student) == ""


def test_an_entry_is_one_persons(student: User, other_student: User, cohort: Cohort) -> None:
    expect(cohort, username="aiko", email="ben@example.org")
    claim_entries(student)
    own(other_student, "ben@example.org", verified=True)
    claim_entries(other_student)
    assert role_in(cohort, other_student) == ""


def test_a_waiting_request_is_answered_by_the_roster(student: User, cohort: Cohort) -> None:
    JoinRequest.objects.create(user=student, cohort=cohort)
    expect(cohort, username="aiko")
    claim_entries(student)
    assert not JoinRequest.objects.exists()


def test_a_named_person_needs_no_free_seat(student: User, cohort: Cohort) -> None:
    Cohort.objects.update(seats=0)
    expect(cohort, username="aiko")
    claim_entries(student)
    assert role_in(cohort, student) == "student"


@pytest.mark.parametrize(
    "fields", [{"status": "closed"}, {"ends_on": timezone.localdate() - timedelta(days=2)}]
)
def test_a_class_that_takes_nobody_takes_nobody_from_its_roster(
    student: User, cohort: Cohort, fields: dict[str, Any]
) -> None:
    Cohort.objects.update(**fields)
    entry = expect(cohort, username="aiko")
    claim_entries(student)
    assert role_in(cohort, student) == ""
    entry.refresh_from_db()
    assert entry.claimed_by is None


def test_it_costs_one_query_where_nobody_is_expected(
    student: User, cohort: Cohort, client_of: Callable[[User], Client]
) -> None:
    expect(cohort, username="somebody")
    with CaptureQueriesContext(connection) as queries:
        claim_entries(student)
    assert len(queries) == 1


def test_two_entries_of_one_class_are_both_claimed(student: User, cohort: Cohort) -> None:
    expect(cohort, username="aiko")
    expect(cohort, "assistant", email="aiko@example.org")
    own(student, "aiko@example.org", verified=True)
    claim_entries(student)
    assert role_in(cohort, student) == "assistant"
    assert not cohort.roster.filter(claimed_by=None).exists()
