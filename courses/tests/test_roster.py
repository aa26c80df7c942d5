"""The roster of a class: who sees it, what it shows, and who is let in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import AuditEvent, Cohort, JoinRequest, Membership, RosterEntry, User
from courses.models import StepProgress
from courses.tests.factories import enrol
from courses.tests.roster_class import Role, address, join, make_class, make_student, take_sample

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


@pytest.fixture
def cohort(instructor: User, student: User) -> Cohort:
    return make_class(instructor, student)


@pytest.fixture
def assistant(cohort: Cohort) -> User:
    user = User.objects.create_user("taro")
    join(cohort, user, Role.ASSISTANT)
    return user


@pytest.fixture
def observer(cohort: Cohort) -> User:
    user = User.objects.create_user("olga")
    join(cohort, user, Role.OBSERVER)
    return user


@pytest.fixture
def client(instructor: User, cohort: Cohort, client_of: SignIn) -> Client:
    return client_of(instructor)


def member_of(cohort: Cohort, user: User) -> Membership:
    return Membership.objects.get(cohort=cohort, user=user)


def text_of(client: Client, url: str) -> str:
    answer = client.get(url)
    assert answer.status_code == 200
    return answer.content.decode()


def test_it_shows_who_is_in_and_how_far(
    cohort: Cohort, student: User, client: Client, tmp_path: Path
) -> None:
    take_sample(cohort, tmp_path)
    page = text_of(client, address(cohort))
    assert "not begun" in page
    assert "never" in page
    enrolment = enrol(student, "sample")
    StepProgress.objects.create(
        enrolment=enrolment, step_key="quiz", state="exempt", last_seen_at=timezone.now()
    )
    page = text_of(client, address(cohort))
    assert ">99 %<" in page
    assert "never" not in page


@pytest.mark.parametrize("role", [Role.STUDENT, None])
def test_nobody_else_finds_it(
    cohort: Cohort, other_student: User, client_of: SignIn, role: str | None
) -> None:
    if role:
        join(cohort, other_student, role)
    stranger = client_of(other_student)
    member = cohort.memberships.first()
    for name, ids in (
        ("roster", []),
        ("roster_export", []),
        ("roster_import", []),
        ("roster_due", []),
        ("member", [member.pk]),
        ("student", [member.user_id]),
    ):
        assert stranger.get(address(cohort, name, *ids)).status_code == 404
    assert Client().get(address(cohort)).status_code == 302


def test_an_observer_looks_and_changes_nothing(
    cohort: Cohort, observer: User, student: User, client_of: SignIn, tmp_path: Path
) -> None:
    take_sample(cohort, tmp_path)
    entry = RosterEntry.objects.create(cohort=cohort, email="x@example.org")
    asked = JoinRequest.objects.create(cohort=cohort, user=User.objects.create_user("ken"))
    member = member_of(cohort, student)
    watching = client_of(observer)
    page = text_of(watching, address(cohort))
    assert 'method="post" action="/admin' not in page
    assert "Join code and requests" not in page
    assert 'method="post" action="/admin' not in text_of(
        watching, address(cohort, "member", member.pk)
    )
    for name, ids in (
        ("roster_code", []),
        ("roster_request", [asked.pk]),
        ("roster_expected_remove", [entry.pk]),
        ("roster_import_confirm", []),
        ("roster_due", []),
        ("roster_due_reset", []),
        ("member_role", [member.pk]),
        ("member_remove", [member.pk]),
    ):
        assert watching.post(address(cohort, name, *ids)).status_code == 403, name
    assert watching.get(address(cohort, "roster_export")).status_code == 403
    assert cohort.memberships.count() == 3
    assert not AuditEvent.objects.exists()


def test_search_and_role_narrow_it(cohort: Cohort, client: Client, other_student: User) -> None:
    join(cohort, other_student)
    other_student.display_name = "Ben Ito"
    other_student.save()
    found = text_of(client, address(cohort) + "?q=ito")
    assert "Ben Ito" in found
    assert "aiko" not in found
    assert "aiko" not in text_of(client, address(cohort) + "?role=instructor")
    assert "Nobody matches" in text_of(client, address(cohort) + "?q=zzz%00")
    assert "Ben Ito" in text_of(client, address(cohort) + "?role=king&page=zzz")


def test_a_projected_page_names_nobody(
    cohort: Cohort, client: Client, student: User, other_student: User
) -> None:
    student.display_name = "Aiko Secret"
    student.save()
    RosterEntry.objects.create(cohort=cohort, email="expected@example.org", name="Later Secret")
    JoinRequest.objects.create(cohort=cohort, user=other_student)
    member = member_of(cohort, student)
    for url in (
        address(cohort) + "?projected=1&q=secret",
        address(cohort, "member", member.pk) + "?projected=1",
        address(cohort, "student", student.pk) + "?projected=1",
    ):
        page = text_of(client, url)
        for word in ("Secret", "aiko", "expected@", ">ben<"):
            assert word not in page, url
    # Nothing that is done there could lead to a page with the real names.
    assert "/roster/import/" not in text_of(client, address(cohort) + "?projected=1")


def test_it_takes_no_more_queries_for_more_people(
    cohort: Cohort, client: Client, tmp_path: Path
) -> None:
    take_sample(cohort, tmp_path)

    def queries() -> int:
        with CaptureQueriesContext(connection) as found:
            text_of(client, address(cohort))
        return len(found)

    for number in range(3):
        enrol(make_student(cohort, number), "sample")
    queries()
    few = queries()
    for number in range(3, 15):
        enrol(make_student(cohort, number), "sample")
    assert queries() == few


def test_a_large_class_has_pages(cohort: Cohort, client: Client) -> None:
    for number in range(60):
        make_student(cohort, number)
        RosterEntry.objects.create(cohort=cohort, username=f"later{number}", name=f"L{number:02}")
    first = text_of(client, address(cohort) + "?role=student")
    assert "Page 1 of 2" in first
    assert "role=student&amp;page=2" in first
    assert text_of(client, address(cohort) + "?page=2&expected=2").count("Page 2 of 2") == 2


def test_the_join_code_is_made_shown_and_taken_back(cohort: Cohort, client: Client) -> None:
    assert "Nobody can join by a code now" in text_of(client, address(cohort))
    client.post(address(cohort, "roster_code"), {"action": "open", "days": "7"})
    cohort.refresh_from_db()
    page = text_of(client, address(cohort))
    assert f"{cohort.join_code[:4]}-{cohort.join_code[4:]}" in page
    assert f"/join/{cohort.join_code}/" in page
    cohort.join_code_expires_at = timezone.now() - timedelta(seconds=1)
    cohort.save()
    assert cohort.join_code[:4] not in text_of(client, address(cohort))
    for sent in ({"action": "open", "days": "9999"}, {"action": "x"}, {}):
        assert client.post(address(cohort, "roster_code"), sent).status_code == 404
    client.post(address(cohort, "roster_code"), {"action": "close"})
    cohort.refresh_from_db()
    assert cohort.join_code == ""


def test_who_asks_is_let_in_or_not(cohort: Cohort, other_student: User, client: Client) -> None:
    for action, is_in in (("decline", False), ("accept", True)):
        asked = JoinRequest.objects.create(cohort=cohort, user=other_student)
        assert "They ask to be let in" in text_of(client, address(cohort))
        client.post(address(cohort, "roster_request", asked.pk), {"action": action})
        assert cohort.memberships.filter(user=other_student).exists() == is_in
    assert not JoinRequest.objects.exists()
