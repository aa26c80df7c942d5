from __future__ import annotations

from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.test import Client

from accounts.models import User
from accounts.socket_auth import SocketAuth, SocketOrigin, allowed_origins
from accounts.tokens import create_token, revoke_token

pytestmark = pytest.mark.django_db(transaction=True)
ORIGIN = (b"origin", b"http://localhost:8000")


async def _scope_behind(*headers: tuple[bytes, bytes], query: bytes = b"") -> dict[str, Any] | None:
    """The scope that an application behind both checks sees, or None when the socket was refused."""
    seen: list[dict[str, Any]] = []
    sent: list[dict[str, Any]] = []

    async def inner(scope: dict[str, Any], receive: Any, send: Any) -> None:
        seen.append(scope)

    async def receive() -> dict[str, Any]:
        return (
            {"type": "websocket.disconnect", "code": 1006}
            if sent
            else {"type": "websocket.connect"}
        )

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/ws/x", "query_string": query, "headers": list(headers)}
    await SocketOrigin(SocketAuth(inner))(scope, receive, send)
    assert bool(seen) != bool(sent)
    return seen[0] if seen else None


def _cookie_of(user: User) -> tuple[bytes, bytes]:
    browser = Client()
    browser.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return b"cookie", f"sessionid={browser.cookies['sessionid'].value}".encode()


def _bearer(user: User) -> tuple[bytes, bytes]:
    return b"authorization", f"Bearer {create_token(user, name='', days=1)[1]}".encode()


@pytest.mark.parametrize(
    "origin",
    [
        b"http://localhost:9000",
        b"https://localhost:8000",
        b"http://evil.example",
        b"http://localhost.evil.example:8000",
        b"null",
        b"",
        b"http://[",
        b"http://localhost:99999",
        b"http://localhost:x",
    ],
)
async def test_another_site_opens_no_socket(origin: bytes) -> None:
    assert await _scope_behind((b"origin", origin)) is None


async def test_without_origin_only_a_token_opens_a_socket() -> None:
    assert await _scope_behind() is None


@pytest.mark.parametrize(
    "origin", [b"http://localhost:8000", b"http://127.0.0.1:8000", b"http://[::1]:8000"]
)
async def test_every_own_address_is_an_origin(origin: bytes) -> None:
    assert await _scope_behind((b"origin", origin)) is not None


def test_the_public_address_is_an_origin(settings: Any) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["https://lora.example"]

    assert "https://lora.example" in allowed_origins()


async def test_a_session_opens_as_its_person(student: User) -> None:
    from asgiref.sync import sync_to_async

    scope = await _scope_behind(ORIGIN, await sync_to_async(_cookie_of)(student))

    assert scope is not None
    assert scope["user"] == student


@pytest.mark.parametrize(
    "cookie", [b"", b"sessionid=", b"sessionid=unknown", b"other=1", b"\xff=;;="]
)
async def test_without_a_valid_session_nobody_is_signed_in(cookie: bytes) -> None:
    scope = await _scope_behind(ORIGIN, (b"cookie", cookie))

    assert scope is not None
    assert not scope["user"].is_authenticated


async def test_a_token_opens_as_its_person_and_cookies_count_for_nothing(
    student: User, other_student: User
) -> None:
    from asgiref.sync import sync_to_async

    cookie = await sync_to_async(_cookie_of)(student)
    good = await _scope_behind(cookie, await sync_to_async(_bearer)(other_student))
    wrong = await _scope_behind(cookie, (b"authorization", b"Bearer llm_wrong"))

    assert good is not None
    assert good["user"] == other_student
    assert wrong is not None
    assert not wrong["user"].is_authenticated


async def test_a_sign_out_is_seen_when_asked_again(student: User) -> None:
    from asgiref.sync import sync_to_async

    scope = await _scope_behind(ORIGIN, await sync_to_async(_cookie_of)(student))
    assert scope is not None
    before = await scope["authenticate"]()
    await Session.objects.all().adelete()

    assert before == student
    assert await scope["authenticate"]() is None


async def test_a_new_password_a_closed_account_and_a_revoked_token_are_seen(student: User) -> None:
    from asgiref.sync import sync_to_async

    by_session = await _scope_behind(ORIGIN, await sync_to_async(_cookie_of)(student))
    by_token = await _scope_behind(await sync_to_async(_bearer)(student))
    assert by_session is not None
    assert by_token is not None
    student.set_password("another-long-password")
    await student.asave()
    token = await student.api_tokens.aget()
    await sync_to_async(revoke_token)(student, token.pk)

    assert await by_session["authenticate"]() is None
    assert await by_token["authenticate"]() is None


async def test_the_language_is_that_of_the_pages() -> None:
    scope = await _scope_behind(ORIGIN, (b"accept-language", b"ja,en;q=0.5"))

    assert scope is not None
    assert scope["language"] == "ja"


@pytest.mark.parametrize(
    ("query", "expected"), [(b"as=html&language=ja", "ja"), (b"language=xx", "en")]
)
async def test_a_page_names_its_language_because_browsers_may_announce_another(
    query: bytes, expected: str
) -> None:
    scope = await _scope_behind(ORIGIN, (b"accept-language", b"en-US,en;q=0.9"), query=query)

    assert scope is not None
    assert scope["language"] == expected
