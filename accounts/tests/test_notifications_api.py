"""Notifications over the API."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import Notification, User
from accounts.notifications import notify, unseen_of

pytestmark = pytest.mark.django_db
ADDRESS, SEEN = "/api/notifications", "/api/notifications/seen"
Sign = Callable[[User], Client]


@pytest.fixture
def signed_in(student: User, client_of: Sign) -> Client:
    return client_of(student)


def tell(user: User, subject: str) -> Notification:
    notify(
        user.pk,
        kind="job_completed",
        subject=subject,
        params={"job_name": "Garden"},
        path="/training/1/",
    )
    return Notification.objects.get(user=user, subject=subject)


def mark(client: Client, body: dict[str, Any]) -> Any:
    return client.post(SEEN, body, content_type="application/json")


def test_own_ones_are_listed_newest_first(
    signed_in: Client, student: User, other_student: User
) -> None:
    tell(student, "a")
    tell(student, "b")
    tell(other_student, "c")
    answer = signed_in.get(ADDRESS, {"limit": 1}).json()
    assert answer["count"] == 2
    (newest,) = answer["items"]
    assert (newest["subject"], newest["title"]) == ("b", "“Garden” is complete")
    assert newest["path"] == "/training/1/"
    assert newest["seen_at"] is None


def test_chosen_ones_or_all_are_marked(
    signed_in: Client, student: User, other_student: User
) -> None:
    first, theirs = tell(student, "a"), tell(other_student, "a")
    tell(student, "b")
    chosen = {"ids": [str(first.pk), str(theirs.pk), str(uuid.uuid4())]}
    assert mark(signed_in, chosen).json() == {"unseen_count": 1}
    unseen = signed_in.get(ADDRESS, {"unseen": "true"}).json()["items"]
    assert [item["subject"] for item in unseen] == ["b"]
    assert mark(signed_in, {}).json() == {"unseen_count": 0}
    assert unseen_of(other_student).count == 1


def test_an_empty_choice_marks_nothing(signed_in: Client, student: User) -> None:
    tell(student, "a")
    assert mark(signed_in, {"ids": []}).json() == {"unseen_count": 1}


@pytest.mark.parametrize("body", [{"ids": ["x"]}, {"ids": 1}, {"id": "x"}])
def test_a_body_that_is_none_is_refused(signed_in: Client, body: dict[str, Any]) -> None:
    assert mark(signed_in, body).status_code == 422


def test_a_stranger_is_asked_to_sign_in(client: Client) -> None:
    assert client.get(ADDRESS).status_code == 401
    assert mark(client, {}).status_code == 401
