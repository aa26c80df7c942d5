"""Signing in through the school's directory, over a real wire: whose account opens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount, SocialToken
from django.test import Client
from django.urls import reverse

from accounts.models import Cohort, Membership, Notification, RosterEntry, User
from accounts.tests.oidc_server import OidcTestServer
from accounts.tests.sso_flow import go, sentence_of, server_settings, sign_in, sign_in_there, who

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


# --- coming in ----------------------------------------------------------------------------------


def test_without_a_directory_there_is_nothing_of_it() -> None:
    client = Client()
    assert client.get("/accounts/sso/callback/").status_code == 404
    assert client.post("/accounts/sso/").status_code == 404
    assert client.get("/accounts/3rdparty/").status_code == 404
    assert "accounts/sso" not in client.get(reverse("account_login")).content.decode()


def test_somebody_new_gets_an_account(directory: OidcTestServer) -> None:
    client = Client()
    assert "Sign in with School" in client.get(reverse("account_login")).content.decode()
    answer = sign_in(client)
    assert (answer.status_code, answer.url) == (302, reverse("home"))
    user = User.objects.get()
    assert (user.username, user.display_name, user.email) == (
        "dai",
        "Dai Sato",
        "dai@school.example",
    )
    assert not user.has_usable_password()
    assert EmailAddress.objects.get().verified
    assert who(client) == "dai"


def test_the_secret_goes_as_the_directory_takes_it(directory: OidcTestServer) -> None:
    directory.configured = {"token_endpoint_auth_methods_supported": ["client_secret_basic"]}
    client = Client()
    sign_in(client)
    assert who(client) == "dai"


def test_nothing_of_the_directory_is_kept_but_who_it_is(directory: OidcTestServer) -> None:
    sign_in(Client())
    found = SocialAccount.objects.get()
    assert (found.provider, found.uid, found.extra_data) == (directory.url, "4711", {})
    assert not SocialToken.objects.exists()


def test_the_same_person_comes_back_to_the_same_account(directory: OidcTestServer) -> None:
    sign_in(Client())
    directory.person |= {"email": "dai.sato@school.example", "preferred_username": "other"}
    client = Client()
    sign_in(client)
    assert User.objects.count() == 1
    assert who(client) == "dai"


def test_the_way_goes_on_to_where_it_began(directory: OidcTestServer) -> None:
    here = reverse("accounts:settings")
    assert sign_in(Client(), next=here).url == here
    assert sign_in(Client(), next="https://elsewhere.example/").url == reverse("home")


def test_closed_sign_up_is_no_matter_of_the_directory(
    directory: OidcTestServer, settings: Any
) -> None:
    settings.LLMLORA_SIGNUP_OPEN = False
    client = Client()
    sign_in(client)
    assert who(client) == "dai"


def test_a_verified_address_is_found_on_the_roster(
    directory: OidcTestServer, instructor: User
) -> None:
    cohort = Cohort.objects.create(name="Class 2B")
    RosterEntry.objects.create(cohort=cohort, email="dai@school.example", role="assistant")
    sign_in(Client())
    assert Membership.objects.get(user__username="dai").role == "assistant"


def test_a_name_that_is_taken_gets_another_one(directory: OidcTestServer) -> None:
    User.objects.create_user("dai", "other@example.org")
    client = Client()
    sign_in(client)
    assert who(client) not in ("", "dai")


@pytest.mark.parametrize(
    "claims",
    [
        {"name": ["Dai"], "preferred_username": None, "email": {"a": 1}, "given_name": 7},
        {"name": "D" * 5000, "preferred_username": "\x00d" * 300, "family_name": "\x00" * 9},
        {"email": "no address", "preferred_username": "日本 太郎", "sub": "x" * 400},
    ],
    ids=["types", "lengths", "letters"],
)
def test_strange_claims_are_no_hindrance(claims: dict[str, Any], directory: OidcTestServer) -> None:
    directory.person |= claims
    directory.told = {"sub": directory.person["sub"]}
    client = Client()
    sign_in(client)
    assert who(client)


def test_a_form_of_somebody_else_begins_nothing(directory: OidcTestServer) -> None:
    client = Client(enforce_csrf_checks=True)
    assert client.post(reverse("sso:begin")).status_code == 403
    assert client.get(reverse("sso:begin")).status_code == 405


# --- whose account ------------------------------------------------------------------------------


def test_an_address_that_both_have_verified_opens_the_account(
    student: User, directory: OidcTestServer
) -> None:
    EmailAddress.objects.create(user=student, email=student.email, verified=True, primary=True)
    directory.person["email"] = "Aiko@Example.org"
    client = Client()
    sign_in(client)
    assert who(client) == "aiko"
    assert SocialAccount.objects.get().user == student
    assert Notification.objects.get(user=student).kind == "sso_connected"
    student.refresh_from_db()
    assert student.has_usable_password()


@pytest.mark.parametrize(
    ("is_ours_verified", "theirs"),
    [(False, True), (True, False), (True, "false"), (True, None), (None, True)],
    ids=["ours", "theirs", "word", "untold", "field"],
)
def test_any_other_account_of_the_address_stays_shut(
    is_ours_verified: bool | None, theirs: Any, student: User, directory: OidcTestServer
) -> None:
    if is_ours_verified is not None:
        EmailAddress.objects.create(user=student, email=student.email, verified=is_ours_verified)
    directory.person |= {"email": student.email, "email_verified": theirs}
    client = Client()
    answer = sign_in(client)
    assert answer.status_code == 403
    assert f"an account here with the address {student.email} already" in sentence_of(answer)
    assert who(client) == ""
    assert User.objects.count() == 1
    assert not SocialAccount.objects.exists()


def test_the_proof_of_one_address_is_none_of_another(
    student: User, directory: OidcTestServer
) -> None:
    EmailAddress.objects.create(user=student, email=student.email, verified=True)
    directory.told = {"sub": directory.person["sub"], "email": student.email}
    assert sign_in(Client()).status_code == 403
    directory.told["email_verified"] = True
    client = Client()
    sign_in(client)
    assert who(client) == "aiko"


def test_an_address_that_is_given_to_somebody_new_opens_nothing_of_before(
    directory: OidcTestServer,
) -> None:
    sign_in(Client())
    directory.person["sub"] = "4712"
    answer = sign_in(Client())
    assert answer.status_code == 403
    assert SocialAccount.objects.get().uid == "4711"


def test_the_school_may_vouch_for_the_addresses_of_its_domain(
    student: User, directory: OidcTestServer, settings: Any
) -> None:
    settings.OIDC = server_settings(directory, email_domains=("example.org",))
    EmailAddress.objects.create(user=student, email=student.email, verified=True)
    directory.person |= {"email": student.email, "email_verified": None}
    client = Client()
    sign_in(client)
    assert who(client) == "aiko"


def test_an_unverified_address_makes_an_account_and_proves_nothing(
    directory: OidcTestServer,
) -> None:
    cohort = Cohort.objects.create(name="Class 2B")
    RosterEntry.objects.create(cohort=cohort, email="dai@school.example")
    directory.person["email_verified"] = False
    client = Client()
    sign_in(client)
    assert who(client) == "dai"
    assert not EmailAddress.objects.get().verified
    assert not Membership.objects.exists()


def test_a_closed_account_stays_shut(directory: OidcTestServer) -> None:
    sign_in(Client())
    User.objects.update(is_active=False)
    client = Client()
    answer = sign_in(client)
    assert answer.url == reverse("account_inactive")
    assert who(client) == ""


# --- connecting ---------------------------------------------------------------------------------


def test_whoever_is_signed_in_connects_their_account(
    student: User, directory: OidcTestServer, client_of: SignIn
) -> None:
    directory.person["email"] = student.email
    client = client_of(student)
    assert "Connect with School" in client.get(reverse("accounts:settings")).content.decode()
    answer = sign_in(client, process="connect")
    assert answer.url == reverse("accounts:settings")
    page = client.get(answer.url).content.decode()
    assert "You can sign in through School" in page
    assert "Connect with School" not in page
    elsewhere = Client()
    sign_in(elsewhere)
    assert who(elsewhere) == "aiko"


def test_nobody_connects_what_belongs_to_another(
    student: User, directory: OidcTestServer, client_of: SignIn
) -> None:
    sign_in(Client())
    client = client_of(student)
    answer = sign_in(client, process="connect")
    assert answer.status_code == 403
    assert "belongs to another account here" in sentence_of(answer)
    assert SocialAccount.objects.get().user.username == "dai"
    assert who(client) == "aiko"


def test_nobody_connects_a_second_person_of_the_directory(
    student: User, directory: OidcTestServer, client_of: SignIn
) -> None:
    client = client_of(student)
    sign_in(client, process="connect")
    directory.person["sub"] = "4712"
    answer = sign_in(client, process="connect")
    assert "is connected with another account at School" in sentence_of(answer)
    assert SocialAccount.objects.get().uid == "4711"


def test_who_connects_is_who_began(
    student: User, other_student: User, directory: OidcTestServer, client_of: SignIn
) -> None:
    client = client_of(student)
    back = sign_in_there(go(client, process="connect"))
    session = client.session
    other = client_of(other_student)
    moved = other.session
    moved["socialaccount_states"] = session["socialaccount_states"]
    moved.save()
    assert other.get(back).status_code == 403
    assert not SocialAccount.objects.exists()


def test_the_administration_cuts_a_connection_and_makes_none(
    directory: OidcTestServer, instructor: User, client_of: SignIn
) -> None:
    sign_in(Client())
    instructor.is_superuser = True
    instructor.save()
    board = client_of(instructor)
    assert "4711" in board.get("/admin/socialaccount/socialaccount/").content.decode()
    found = SocialAccount.objects.get()
    one = f"/admin/socialaccount/socialaccount/{found.pk}"
    assert board.post(f"{one}/change/", {"uid": "1"}).status_code == 403
    assert board.get("/admin/socialaccount/socialaccount/add/").status_code == 403
    assert board.get("/admin/socialaccount/socialapp/").status_code == 404
    board.post(f"{one}/delete/", {"post": "yes"})
    assert not SocialAccount.objects.exists()
    assert User.objects.filter(username="dai").exists()
