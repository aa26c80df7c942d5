"""The API of a class: dates, extensions and steps that are open for all."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from courses.models import CohortCourse, DueOverride, Enrolment
from courses.tests.live_factories import Role, join, make_class, make_member, pass_step

pytestmark = pytest.mark.django_db
Sign = Callable[[User], Client]
DUE = (timezone.now() + timedelta(days=30)).replace(microsecond=0)


@pytest.fixture
def pinned(tmp_path: Path, instructor: User) -> CohortCourse:
    return make_class(tmp_path, instructor)


@pytest.fixture
def enrolment(pinned: CohortCourse) -> Enrolment:
    return make_member(pinned, "aya")


@pytest.fixture
def client(instructor: User, pinned: CohortCourse, client_of: Sign) -> Client:
    return client_of(instructor)


@pytest.fixture
def root(pinned: CohortCourse) -> str:
    return f"/api/cohorts/{pinned.cohort_id}/courses"


def put(client: Client, address: str, body: dict[str, Any]) -> Any:
    return client.put(address, body, content_type="application/json")


def test_dates_are_listed_set_and_read_by_the_student(
    client: Client, root: str, enrolment: Enrolment, client_of: Sign
) -> None:
    (course,) = client.get(root).json()
    assert course == {
        "course": "sample",
        "title": "Sample",
        "version": 1,
        "release_at": None,
        "due_at": None,
        "opened_steps": [],
    }
    release = (timezone.now() - timedelta(days=1)).replace(microsecond=0)
    dates = {"release_at": release.isoformat(), "due_at": DUE.isoformat()}
    answer = put(client, f"{root}/sample/dates", dates)
    assert answer.status_code == 200
    assert answer.json() == client.get(root).json()[0]
    mine = client_of(enrolment.user).get("/api/courses/sample").json()
    assert mine["due_at"] == answer.json()["due_at"]
    assert mine["release_at"] == answer.json()["release_at"]
    assert mine["is_due_own"] is False


@pytest.mark.parametrize(
    "body",
    [
        {"due_at": "2099-01-01T00:00:00Z"},
        {"release_at": None, "due_at": "2099-01-01T00:00:00"},
        {"release_at": "2099-01-02T00:00:00Z", "due_at": "2099-01-01T00:00:00Z"},
        {"release_at": None, "due_at": None, "opened_steps": []},
    ],
    ids=["half", "naive", "due-first", "unknown-field"],
)
def test_dates_that_can_not_be_are_refused(client: Client, root: str, body: Any) -> None:
    answer = put(client, f"{root}/sample/dates", body)
    assert answer.status_code == 422
    assert answer.json()["message"]


def test_an_extension_is_given_listed_and_removed(
    client: Client, root: str, pinned: CohortCourse, enrolment: Enrolment, client_of: Sign
) -> None:
    one = f"{root}/sample/extensions/{enrolment.user_id}"
    given = put(client, one, {"due_at": DUE.isoformat(), "reason": "was ill"})
    assert given.status_code == 200
    assert (given.json()["name"], given.json()["granted_by"]) == ("aya", "chiyo")
    assert client.get(f"{root}/sample/extensions").json() == [given.json()]
    mine = client_of(enrolment.user).get("/api/courses/sample").json()
    assert (mine["due_at"], mine["is_due_own"]) == (given.json()["due_at"], True)
    assert "ill" not in str(mine)
    for _time in range(2):
        assert client.delete(one).status_code == 204
    assert not DueOverride.objects.exists()


def test_an_extension_that_can_not_be_is_refused(
    client: Client, root: str, enrolment: Enrolment, other_student: User
) -> None:
    good = {"due_at": DUE.isoformat(), "reason": "was ill"}
    one = f"{root}/sample/extensions/"
    assert put(client, f"{one}{other_student.pk}", good).status_code == 409
    for nobody in ("x", "9" * 30, "0"):
        assert put(client, f"{one}{nobody}", good).status_code in (404, 422), nobody
    over = (timezone.now() - timedelta(days=1)).isoformat()
    for change in ({"due_at": over}, {"reason": ""}, {"due_at": "2099-01-01T00:00:00"}):
        assert put(client, f"{one}{enrolment.user_id}", good | change).status_code == 422
    assert put(client, f"{root}/nothing/extensions/1", good).status_code == 404
    assert not DueOverride.objects.exists()


def test_a_step_is_opened_and_closed_again(
    client: Client, root: str, pinned: CohortCourse, enrolment: Enrolment, client_of: Sign
) -> None:
    address = f"{root}/sample/steps/quiz/open"
    for _time in range(2):
        assert put(client, address, {}).status_code == 204
    steps = client_of(enrolment.user).get("/api/courses/sample").json()["steps"]
    assert [step["state"] for step in steps] == ["available", "locked", "available"]
    pass_step(enrolment, "quiz")
    assert client.delete(address).json() == {"kept": 1, "locked": 0}
    assert client.delete(address).json() == {"kept": 0, "locked": 0}
    assert put(client, f"{root}/sample/steps/nothing/open", {}).status_code == 404


def test_who_leads_calls_and_nobody_else(
    root: str,
    pinned: CohortCourse,
    enrolment: Enrolment,
    student: User,
    other_student: User,
    client_of: Sign,
) -> None:
    join(pinned.cohort, student, Role.ASSISTANT)
    join(pinned.cohort, other_student, Role.OBSERVER)
    dates = {"release_at": None, "due_at": DUE.isoformat()}
    extension = {"due_at": DUE.isoformat(), "reason": "was ill"}
    one = f"{root}/sample/extensions/{enrolment.user_id}"
    for person in (other_student, enrolment.user):
        caller = client_of(person)
        assert caller.get(root).status_code == 404
        assert caller.get(f"{root}/sample/extensions").status_code == 404
        assert put(caller, f"{root}/sample/dates", dates).status_code == 404
        assert put(caller, one, extension).status_code == 404
        assert caller.delete(one).status_code == 404
        assert put(caller, f"{root}/sample/steps/quiz/open", {}).status_code == 404
    assistant = client_of(student)
    assert put(assistant, one, extension).status_code == 200
    # What a class learns and when is for its instructors.
    assert put(assistant, f"{root}/sample/dates", dates).status_code == 403
    assert Client().get(root).status_code == 401


def test_the_lists_cost_the_same_for_a_larger_class(
    client: Client, root: str, pinned: CohortCourse, instructor: User
) -> None:
    counts = []
    for names in ("abc", "defghijkl"):
        DueOverride.objects.bulk_create(
            DueOverride(
                cohort_course=pinned,
                user=make_member(pinned, name * 3).user,
                due_at=DUE,
                granted_by=instructor,
            )
            for name in names
        )
        client.get(root)
        with CaptureQueriesContext(connection) as queries:
            client.get(root)
            client.get(f"{root}/sample/extensions")
        counts.append(len(queries))
    assert counts[0] == counts[1]
