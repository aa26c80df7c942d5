"""Whatever ends a person's rights cuts their open sockets at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from channels.db import database_sync_to_async
from channels.testing import WebsocketCommunicator
from django.test import Client

from accounts.models import Cohort, Membership, User
from accounts.privacy.access import end_sessions, end_tokens
from accounts.privacy.asking import ask_erasure
from accounts.privacy.running import run_request
from accounts.socket_auth import SocketAuth
from accounts.tokens import create_token, revoke_token
from common.sockets import LiveConsumer

pytestmark = pytest.mark.django_db(transaction=True)
BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


class ClassPage(LiveConsumer):
    """Open for whoever is in a class, or for everybody where there is none."""

    recheck_seconds = 3600

    async def authorise(self) -> bool:
        return await database_sync_to_async(self._is_in)()

    def _is_in(self) -> bool:
        everybody = not Cohort.objects.exists()
        return everybody or Membership.objects.filter(user=self.user, role="observer").exists()

    def group(self) -> str:
        return "test.class"

    async def on_connected(self) -> None:
        await self.send_event({"type": "snapshot"})


class PatientSocket(WebsocketCommunicator):  # type: ignore[misc]
    """Waits longer for a message than a machine under load needs for its first query."""

    async def receive_output(self, timeout: float = 30) -> Any:
        return await super().receive_output(max(timeout, 30))


Open = Callable[[tuple[bytes, bytes]], Awaitable[WebsocketCommunicator]]


@pytest.fixture
async def open_socket() -> AsyncIterator[Open]:
    sockets: list[WebsocketCommunicator] = []

    async def open_it(header: tuple[bytes, bytes]) -> WebsocketCommunicator:
        application = SocketAuth(ClassPage.as_asgi())
        socket = PatientSocket(application, "/ws/class", headers=[header])
        sockets.append(socket)
        is_accepted, _protocol = await socket.connect(timeout=30)
        assert is_accepted
        assert (await socket.receive_json_from())["type"] == "snapshot"
        return socket

    yield open_it
    for socket in sockets:
        await socket.disconnect()


async def do(work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return await database_sync_to_async(work)(*args, **kwargs)


def browser_of(user: User) -> Client:
    browser = Client()
    browser.force_login(user, backend=BACKEND)
    return browser


def cookie(browser: Client) -> tuple[bytes, bytes]:
    return b"cookie", f"sessionid={browser.cookies['sessionid'].value}".encode()


def bearer(user: User) -> tuple[bytes, bytes]:
    return b"authorization", f"Bearer {create_token(user)[1]}".encode()


async def closed(socket: WebsocketCommunicator) -> int:
    message = await socket.receive_output()
    assert message["type"] == "websocket.close", message
    return int(message["code"])


def close_account(user: User) -> None:
    user.is_active = False
    user.save(update_fields=["is_active"])


def change_password(user: User) -> None:
    user.set_password("another-long-password")
    user.save()


ENDS: dict[str, Callable[[User], object]] = {
    "sessions-ended": end_sessions,
    "account-closed": close_account,
    "password-changed": change_password,
    "account-deleted": User.delete,
}


@pytest.mark.parametrize("name", sorted(ENDS))
async def test_a_browser_that_is_signed_out_elsewhere_is_cut(
    open_socket: Open, student: User, name: str
) -> None:
    socket = await open_socket(cookie(await do(browser_of, student)))
    await do(ENDS[name], student)
    assert await closed(socket) == 4401


async def test_signing_out_cuts_the_sockets_of_that_browser_alone(
    open_socket: Open, student: User
) -> None:
    leaving, staying = await do(browser_of, student), await do(browser_of, student)
    cut, kept = await open_socket(cookie(leaving)), await open_socket(cookie(staying))
    await do(leaving.logout)
    assert await closed(cut) == 4401
    assert await kept.receive_nothing(0.1)


async def test_a_revoked_token_cuts_its_sockets(open_socket: Open, student: User) -> None:
    socket = await open_socket(await do(bearer, student))
    token = await student.api_tokens.aget()
    await do(revoke_token, student, token.pk)
    assert await closed(socket) == 4401


async def test_all_tokens_at_once(open_socket: Open, student: User) -> None:
    socket = await open_socket(await do(bearer, student))
    await do(end_tokens, student)
    assert await closed(socket) == 4401


async def test_an_erasure_cuts_all_sockets_of_the_person(
    open_socket: Open, student: User, other_student: User
) -> None:
    mine = [
        await open_socket(cookie(await do(browser_of, student))),
        await open_socket(await do(bearer, student)),
    ]
    theirs = await open_socket(cookie(await do(browser_of, other_student)))
    request = await do(ask_erasure, student)
    request.runs_at = request.created_at
    await request.asave()
    await do(run_request, request.pk)
    assert [await closed(socket) for socket in mine] == [4401, 4401]
    assert await theirs.receive_nothing(0.1)


@pytest.mark.parametrize("is_removed", [True, False], ids=["removed", "other-role"])
async def test_who_loses_a_role_in_a_class_is_cut(open_socket: Open, is_removed: bool) -> None:
    person = await do(User.objects.create_user, "olga")
    cohort = await Cohort.objects.acreate(name="Class")
    member = await Membership.objects.acreate(cohort=cohort, user=person, role="observer")
    socket = await open_socket(cookie(await do(browser_of, person)))
    if is_removed:
        await member.adelete()
    else:
        member.role = "student"
        await member.asave()
    assert await closed(socket) == 4404


async def test_a_sign_in_elsewhere_cuts_nobody(open_socket: Open, student: User) -> None:
    socket = await open_socket(cookie(await do(browser_of, student)))
    await do(browser_of, student)
    assert await socket.receive_nothing(0.1)
