"""What a directory answers may be forged, wrong, or not come at all: nobody is signed in, and a sentence says so."""

from __future__ import annotations

import hmac
import json
import time
from base64 import urlsafe_b64encode
from functools import partial
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from django.test import Client
from django.urls import reverse

from accounts.models import User
from accounts.tests.oidc_server import KEY, STRANGERS_KEY, OidcTestServer, oidc_server, signed
from accounts.tests.sso_flow import go, sentence_of, server_settings, sign_in, sign_in_there, who

pytestmark = pytest.mark.django_db


def is_refused(client: Client, answer: Any, words: str = "could not be trusted") -> bool:
    assert answer.status_code == 403
    assert words in sentence_of(answer)
    return who(client) == "" and not User.objects.exists()


def test_a_state_of_another_browser_is_refused(directory: OidcTestServer) -> None:
    back = sign_in_there(go(Client()))
    client = Client()
    assert is_refused(client, client.get(back), "not begun in this browser")
    forged = client.get(reverse("sso:callback"), {"state": "x", "code": "y"})
    assert is_refused(client, forged, "not begun in this browser")
    assert is_refused(client, client.get(reverse("sso:callback")), "not begun in this browser")


def test_the_way_back_can_be_gone_once(directory: OidcTestServer) -> None:
    client = Client()
    back = sign_in_there(go(client))
    client.get(back)
    client.logout()
    assert client.get(back).status_code == 403
    assert who(client) == ""


@pytest.mark.parametrize(
    "lies",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"iss": "https://login.elsewhere.example"},
        {"aud": "another program"},
        {"aud": ["classroom", "b"], "azp": "b"},
        {"exp": int(time.time()) - 600},
        {"sub": ""},
        {"sub": 7},
    ],
    ids=["nonce", "no nonce", "issuer", "audience", "party", "old", "nobody", "number"],
)
def test_a_token_that_was_not_made_for_this_is_refused(
    lies: dict[str, Any], directory: OidcTestServer
) -> None:
    directory.lies = lies
    client = Client()
    assert is_refused(client, sign_in(client))


def test_a_token_with_the_signature_of_a_stranger_is_refused(directory: OidcTestServer) -> None:
    directory.sign = partial(signed, key=STRANGERS_KEY)
    client = Client()
    assert is_refused(client, sign_in(client))


def test_a_token_without_a_signature_is_refused(directory: OidcTestServer) -> None:
    directory.sign = partial(signed, key=None, algorithm="none")
    client = Client()
    assert is_refused(client, sign_in(client))


def test_the_public_key_is_no_shared_secret(directory: OidcTestServer) -> None:
    public = KEY.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )

    def sign(claims: dict[str, Any]) -> str:
        header = {"alg": "HS256", "kid": "one", "typ": "JWT"}
        parts = [_in_base64(json.dumps(part).encode()) for part in (header, claims)]
        text = ".".join(parts)
        return f"{text}.{_in_base64(hmac.digest(public, text.encode(), 'sha256'))}"

    directory.sign = sign
    client = Client()
    assert is_refused(client, sign_in(client))


def _in_base64(content: bytes) -> str:
    return urlsafe_b64encode(content).decode().rstrip("=")


def test_a_code_that_is_none_is_refused(directory: OidcTestServer) -> None:
    client = Client()
    back = sign_in_there(go(client))
    directory.codes.clear()
    assert is_refused(client, client.get(back))


def test_claims_of_somebody_else_are_refused(directory: OidcTestServer) -> None:
    directory.told = {"sub": "1", "email": "head@school.example", "email_verified": True}
    client = Client()
    assert is_refused(client, sign_in(client))


def test_a_directory_that_speaks_for_another_is_refused(directory: OidcTestServer) -> None:
    directory.configured = {"issuer": "https://login.elsewhere.example"}
    client = Client()
    assert is_refused(client, client.post(reverse("sso:begin")))


# --- a directory that does not answer -----------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/.well-known/openid-configuration", "/token", "/keys", "/person"]
)
def test_a_directory_in_trouble_is_told_in_words(path: str, directory: OidcTestServer) -> None:
    client = Client()
    back = sign_in_there(go(client))
    directory.broken = {path}
    answer = client.get(back)
    assert answer.status_code == 503
    assert "School did not give an answer" in sentence_of(answer)
    assert not User.objects.exists()


def test_a_directory_that_is_away_is_told_in_words(settings: Any) -> None:
    with oidc_server() as server:
        settings.OIDC = server_settings(server)
    settings.ROOT_URLCONF = "accounts.tests.sso_urls"
    answer = Client().post(reverse("sso:begin"))
    assert answer.status_code == 503
    assert "School did not give an answer" in sentence_of(answer)


def test_whoever_cancels_there_is_back_at_the_sign_in_page(directory: OidcTestServer) -> None:
    directory.refusal = "access_denied"
    client = Client()
    answer = sign_in(client)
    assert answer.url == reverse("account_login")
    assert "was cancelled there" in client.get(answer.url).content.decode()


def test_a_refusal_of_the_directory_is_told_with_its_reason(directory: OidcTestServer) -> None:
    directory.refusal = "login_required"
    client = Client()
    assert is_refused(client, sign_in(client), "“login_required”")
    directory.refusal = "<b>call 0900"
    assert is_refused(client, sign_in(client), "“unknown”")
