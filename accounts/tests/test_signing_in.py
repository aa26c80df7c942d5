"""Sign-up, sign-in, sign-out and the one-time link."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse
from sesame.utils import get_token

from accounts.models import User
from conftest import PASSWORD


@pytest.mark.django_db
def test_a_person_signs_up_and_is_signed_in() -> None:
    client = Client()
    answer = client.post(
        reverse("account_signup"),
        {"username": "dai", "password1": PASSWORD, "password2": PASSWORD},
    )
    assert answer.status_code == 302
    assert answer.url == reverse("home")
    assert client.get(reverse("accounts:settings")).status_code == 200


@pytest.mark.django_db
def test_sign_up_tells_what_is_wrong_at_the_field() -> None:
    answer = Client().post(
        reverse("account_signup"), {"username": "dai", "password1": PASSWORD, "password2": "other"}
    )
    page = answer.content.decode()
    assert 'aria-invalid="true"' in page
    assert 'id="id_password2_error"' in page
    assert not User.objects.exists()


@pytest.mark.django_db
def test_closed_sign_up_makes_no_account(settings) -> None:
    settings.LLMLORA_SIGNUP_OPEN = False
    client = Client()
    fields = {"username": "dai", "password1": PASSWORD, "password2": PASSWORD}
    answer = client.post(reverse("account_signup"), fields)
    assert "Sign-up is closed" in answer.content.decode()
    assert not User.objects.exists()
    assert reverse("account_signup") not in client.get(reverse("home")).content.decode()


@pytest.mark.parametrize("name", ["aiko", "aiko@example.org"])
def test_a_person_signs_in_by_name_or_address(student: User, name: str) -> None:
    answer = Client().post(reverse("account_login"), {"login": name, "password": PASSWORD})
    assert answer.status_code == 302
    assert answer.url == reverse("home")


def test_a_wrong_password_stays_outside(student: User) -> None:
    client = Client()
    answer = client.post(reverse("account_login"), {"login": "aiko", "password": "wrong"})
    assert 'role="alert"' in answer.content.decode()
    assert client.get(reverse("accounts:settings")).status_code == 302


def test_a_closed_account_is_told_so(student: User) -> None:
    student.is_active = False
    student.save()
    answer = Client().post(
        reverse("account_login"), {"login": "aiko", "password": PASSWORD}, follow=True
    )
    assert "switched off" in answer.content.decode()


def test_signing_out_takes_a_post(student: User, client_of: Callable[[User], Client]) -> None:
    client = client_of(student)
    client.get(reverse("account_logout"))
    assert client.get(reverse("accounts:settings")).status_code == 200
    client.post(reverse("account_logout"))
    assert client.get(reverse("accounts:settings")).status_code == 302


def test_looking_at_a_one_time_link_does_not_use_it_up(student: User) -> None:
    token = get_token(student)
    for _look in range(2):
        page = Client().get(reverse("accounts:sign_in"), {"token": token})
        assert page.status_code == 200
        assert token in page.content.decode()


def test_a_one_time_link_signs_in_once(student: User) -> None:
    token = get_token(student)
    client = Client()
    answer = client.post(reverse("accounts:sign_in"), {"token": token})
    assert (answer.status_code, answer.url) == (302, reverse("home"))
    assert client.get(reverse("accounts:settings")).status_code == 200

    second = Client()
    answer = second.post(reverse("accounts:sign_in"), {"token": token})
    assert answer.status_code == 410
    assert "does not work any more" in answer.content.decode()
    assert second.get(reverse("accounts:settings")).status_code == 302


@pytest.mark.django_db
@pytest.mark.parametrize("token", ["", "nonsense", "\x00", "é" * 300])
def test_a_link_with_a_bad_token_is_refused_in_words(token: str) -> None:
    answer = Client().get(reverse("accounts:sign_in"), {"token": token})
    assert answer.status_code == 410
    assert "Sign in with a password" in answer.content.decode()


def test_the_one_time_link_is_safe_from_forged_posts(student: User) -> None:
    client = Client(enforce_csrf_checks=True)
    answer = client.post(reverse("accounts:sign_in"), {"token": get_token(student)})
    assert answer.status_code == 403


@pytest.mark.django_db
@pytest.mark.parametrize(
    "name",
    [
        "account_login",
        "account_signup",
        "account_reset_password",
        "account_reset_password_done",
        "account_inactive",
        "account_reset_password_from_key_done",
    ],
)
def test_every_page_for_strangers_is_in_our_frame(name: str) -> None:
    page = Client().get(reverse(name)).content.decode()
    assert 'class="site-header"' in page
    assert "style=" not in page


@pytest.mark.parametrize(
    "name",
    [
        "account_change_password",
        "account_email",
        "account_logout",
        "account_reauthenticate",
    ],
)
def test_every_page_of_an_account_is_in_our_frame(
    name: str, student: User, client_of: Callable[[User], Client]
) -> None:
    page = client_of(student).get(reverse(name)).content.decode()
    assert 'class="site-header"' in page
    assert "style=" not in page


@pytest.mark.django_db
@pytest.mark.parametrize(
    "name",
    ["accounts:settings", "accounts:tokens", "account_change_password", "account_email"],
)
def test_strangers_are_sent_to_the_sign_in_page(name: str) -> None:
    answer = Client().get(reverse(name))
    assert answer.status_code == 302
    assert answer.url.startswith(reverse("account_login"))


def test_the_administration_uses_the_same_sign_in_page(
    student: User, instructor: User, client_of: Callable[[User], Client]
) -> None:
    index = reverse("admin:index")
    stranger = Client().get(index, follow=True)
    assert stranger.redirect_chain[-1][0].startswith(reverse("account_login"))
    assert client_of(student).get(index, follow=True).status_code == 403
    assert reverse("home") in client_of(instructor).get(index).content.decode()
