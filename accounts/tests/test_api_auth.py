from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from accounts.models import ApiToken, User
from accounts.tokens import create_token
from conftest import PASSWORD


@pytest.fixture(autouse=True)
def _empty_cache(db: None) -> None:
    cache.clear()


def _ask_for_token(**body: Any) -> Any:
    return Client().post("/api/auth/token", body, content_type="application/json")


def _me(plain: str, **headers: str) -> Any:
    return Client().get("/api/auth/me", headers={"Authorization": f"Bearer {plain}", **headers})


def test_the_right_password_gives_a_token_that_works(student: User) -> None:
    answer = _ask_for_token(username="aiko", password=PASSWORD, name="notebook", expires_in_days=7)

    assert answer.status_code == 201
    assert _me(answer.json()["token"]).json() == {
        "id": student.pk,
        "username": "aiko",
        "display_name": "",
        "email": "aiko@example.org",
        "language": "",
        "is_instructor": False,
    }
    assert ApiToken.objects.get().name == "notebook"


@pytest.mark.parametrize(("username", "password"), [("aiko", "wrong"), ("nobody", PASSWORD)])
def test_a_wrong_name_and_a_wrong_password_sound_the_same(
    student: User, username: str, password: str
) -> None:
    answer = _ask_for_token(username=username, password=password)

    assert answer.status_code == 401
    assert answer.json() == {
        "code": "not_signed_in",
        "message": "The username and the password do not match. Check both, then try again.",
        "errors": [],
    }


def test_a_closed_account_gets_no_token(student: User) -> None:
    User.objects.update(is_active=False)

    assert _ask_for_token(username="aiko", password=PASSWORD).status_code == 401


def test_guessing_is_slowed_down(student: User) -> None:
    answers = [_ask_for_token(username="aiko", password="wrong") for _try in range(10)]
    refused = _ask_for_token(username="AIKO", password=PASSWORD)

    assert {answer.status_code for answer in answers} == {401}
    assert refused.status_code == 429
    assert refused.json()["code"] == "too_many_requests"
    assert 1 <= int(refused["Retry-After"]) <= 60
    assert _ask_for_token(username="ben", password="wrong").status_code == 401


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"username": "aiko"}, "password"),
        ({"username": "aiko", "password": PASSWORD, "expires_in_days": 91}, "expires_in_days"),
        ({"username": "aiko", "password": PASSWORD, "expires_in_days": 0}, "expires_in_days"),
        ({"username": "aiko", "password": PASSWORD, "name": "n" * 81}, "name"),
        ({"username": ["aiko"], "password": PASSWORD}, "username"),
    ],
)
def test_bad_values_are_named(student: User, body: dict[str, Any], field: str) -> None:
    answer = _ask_for_token(**body)

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_without_anything_the_answer_is_401(db: None) -> None:
    answer = Client().get("/api/auth/me")

    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == "Bearer"
    assert answer.json()["code"] == "not_signed_in"


@pytest.mark.parametrize(
    "header", ["Bearer llm_wrong", "Bearer", "Basic YTpi", "llm_wrong", "Bearer \x00"]
)
def test_a_wrong_token_is_401_even_with_a_session(
    student: User, client_of: Callable[[User], Client], header: str
) -> None:
    answer = client_of(student).get("/api/auth/me", headers={"Authorization": header})

    assert answer.status_code == 401
    assert answer.json()["message"]


def test_a_token_counts_more_than_the_session(
    student: User, other_student: User, client_of: Callable[[User], Client]
) -> None:
    _token, plain = create_token(other_student, name="", days=1)

    answer = client_of(student).get("/api/auth/me", headers={"Authorization": f"Bearer {plain}"})

    assert answer.json()["username"] == "ben"


def test_a_signed_in_page_may_call(student: User) -> None:
    page = Client(enforce_csrf_checks=True)
    page.force_login(student, backend="allauth.account.auth_backends.AuthenticationBackend")
    page.get("/api/docs")
    token = page.cookies["csrftoken"].value

    assert page.get("/api/auth/me").status_code == 200
    assert page.get("/api/auth/me", headers={"X-CSRFToken": token}).json()["username"] == "aiko"


def test_answers_for_a_person_are_kept_by_no_cache(student: User) -> None:
    _token, plain = create_token(student, name="", days=1)

    assert _me(plain)["Cache-Control"] == "no-store"
