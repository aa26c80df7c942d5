"""Settings, language, theme and the token list."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from accounts.models import User
from accounts.tokens import create_token, find_user
from conftest import PASSWORD


def test_settings_are_saved_and_bring_language_and_theme_at_once(
    student: User, client_of: Callable[[User], Client]
) -> None:
    client = client_of(student)
    fields = {"display_name": "Aiko T.", "language": "ja", "theme": "dark"}
    page = client.post(reverse("accounts:settings"), fields, follow=True).content.decode()
    student.refresh_from_db()
    assert (student.display_name, student.language, student.theme) == ("Aiko T.", "ja", "dark")
    assert '<html lang="ja" data-theme="dark">' in page


def test_bad_settings_are_refused_and_change_nothing(
    student: User, client_of: Callable[[User], Client]
) -> None:
    fields = {"display_name": "x" * 81, "language": "xx", "theme": "pink"}
    answer = client_of(student).post(reverse("accounts:settings"), fields)
    assert answer.status_code == 422
    assert answer.content.decode().count("field__error") == 3
    student.refresh_from_db()
    assert (student.display_name, student.language, student.theme) == ("", "", "system")


@pytest.mark.django_db
@pytest.mark.parametrize("theme", ["light", "dark", "system"])
def test_a_stranger_can_choose_a_theme(theme: str) -> None:
    client = Client()
    answer = client.post(
        reverse("accounts:theme"), {"theme": theme, "next": reverse("account_login")}
    )
    assert answer.url == reverse("account_login")
    assert f'data-theme="{theme}"' in client.get(reverse("home")).content.decode()


def test_the_theme_is_kept_with_the_account(
    student: User, client_of: Callable[[User], Client]
) -> None:
    client_of(student).post(reverse("accounts:theme"), {"theme": "dark"})
    elsewhere = Client()
    elsewhere.post(reverse("account_login"), {"login": "aiko", "password": PASSWORD})
    assert 'data-theme="dark"' in elsewhere.get(reverse("home")).content.decode()


@pytest.mark.django_db
def test_an_unknown_theme_changes_nothing() -> None:
    answer = Client().post(reverse("accounts:theme"), {"theme": "pink"})
    assert answer.status_code == 302
    assert "theme" not in answer.cookies


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["https://elsewhere.example/", "//elsewhere.example", ""])
def test_the_theme_switch_never_leads_elsewhere(address: str) -> None:
    answer = Client().post(reverse("accounts:theme"), {"theme": "dark", "next": address})
    assert answer.url == reverse("home")


@pytest.mark.django_db
def test_a_stranger_can_choose_a_language() -> None:
    client = Client()
    client.post(reverse("set_language"), {"language": "ja", "next": reverse("home")})
    page = client.get(reverse("home"))
    assert '<html lang="ja"' in page.content.decode()
    assert "日本語" in page.content.decode()


def test_the_language_is_kept_with_the_account(
    student: User, client_of: Callable[[User], Client]
) -> None:
    client_of(student).post(reverse("set_language"), {"language": "ja", "next": "/"})
    elsewhere = Client()
    answer = elsewhere.post(reverse("account_login"), {"login": "aiko", "password": PASSWORD})
    assert answer.cookies[settings.LANGUAGE_COOKIE_NAME].value == "ja"


def test_an_unknown_language_is_not_kept(
    student: User, client_of: Callable[[User], Client]
) -> None:
    client_of(student).post(reverse("set_language"), {"language": "xx", "next": "/"})
    student.refresh_from_db()
    assert student.language == ""


def test_a_new_token_is_shown_once_and_works(
    student: User, client_of: Callable[[User], Client]
) -> None:
    client = client_of(student)
    fields = {"token-name": "notebook", "token-days": "7"}
    page = client.post(reverse("accounts:tokens"), fields).content.decode()
    plain = re.search(r"llm_[\w-]+", page).group()
    assert find_user(plain) == student
    later = client.get(reverse("accounts:settings")).content.decode()
    assert "notebook" in later
    assert plain not in later


@pytest.mark.parametrize(
    "fields",
    [
        {"token-name": "", "token-days": "7"},
        {"token-name": "x" * 81, "token-days": "7"},
        {"token-name": "notebook", "token-days": "10000"},
        {"token-name": "notebook", "token-days": "nan"},
    ],
)
def test_a_bad_token_form_answers_422_with_the_fragment(
    fields: dict[str, str], student: User, client_of: Callable[[User], Client]
) -> None:
    answer = client_of(student).post(
        reverse("accounts:tokens"),
        fields,
        headers={"HX-Request": "true", "HX-Target": "api-tokens"},
    )
    page = answer.content.decode()
    assert answer.status_code == 422
    assert 'id="api-tokens"' in page
    assert "<html" not in page
    assert "field__error" in page
    assert not student.api_tokens.exists()


def test_a_token_is_revoked_by_its_owner_only(
    student: User, other_student: User, client_of: Callable[[User], Client]
) -> None:
    token, plain = create_token(student, name="notebook", days=7)
    address = reverse("accounts:token_revoke", args=[token.pk])
    assert client_of(other_student).post(address).status_code == 404
    assert find_user(plain) == student
    assert client_of(student).post(address).status_code == 302
    assert find_user(plain) is None


def test_a_display_name_is_shown_as_text(
    student: User, client_of: Callable[[User], Client]
) -> None:
    student.display_name = "<script>alert(1)</script>"
    student.save()
    for name in ("home", "accounts:settings"):
        page = client_of(student).get(reverse(name)).content.decode()
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert" in page
