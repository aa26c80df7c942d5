"""Sockets against the in-memory channel layer; who may sign in is the business of accounts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from channels.layers import get_channel_layer
from channels.testing import WebsocketCommunicator
from redis.exceptions import ConnectionError as RedisConnectionError

from common.errors import ConflictError
from common.rights import person_group
from common.sockets import LiveConsumer

# Every message first closes stale database connections, in whatever thread they are.
pytestmark = pytest.mark.django_db
SIGNED_IN = SimpleNamespace(is_authenticated=True, name="aiko", pk=1)
SIGNED_OUT = SimpleNamespace(is_authenticated=False)


class Echo(LiveConsumer):
    client_events = frozenset({"say", "conflict", "crash"})
    recheck_seconds = 0.02

    async def authorise(self) -> bool:
        return bool(self.scope["path"] == "/ws/mine")

    def group(self) -> str:
        return "test.echo"

    async def on_connected(self) -> None:
        await self.send_event(
            {"type": "snapshot", "html": self.wants_html, "last_seq": self.last_seq}
        )

    async def on_client_event(self, event: dict[str, Any]) -> None:
        if event["type"] == "conflict":
            raise ConflictError("A reply is under way.")
        if event["type"] == "crash":
            raise ZeroDivisionError
        await self.send_event({"type": "said", "text": event["text"]})

    async def thing_changed(self, message: dict[str, Any]) -> None:
        await self.send_event({"type": "changed", "loss": message["loss"]})


Open = Callable[..., Awaitable[WebsocketCommunicator]]


@pytest.fixture
async def open_socket() -> AsyncIterator[Open]:
    sockets: list[WebsocketCommunicator] = []

    async def open_it(
        path: str = "/ws/mine", *, user: Any = SIGNED_IN, later_users: list[Any] | None = None
    ) -> WebsocketCommunicator:
        async def authenticate() -> Any:
            return later_users.pop(0) if later_users else user

        socket = WebsocketCommunicator(Echo.as_asgi(), path)
        socket.scope |= {"user": user, "authenticate": authenticate, "language": "en"}
        sockets.append(socket)
        is_accepted, _protocol = await socket.connect()
        assert is_accepted
        return socket

    yield open_it
    for socket in sockets:
        await socket.disconnect()


async def _closed(socket: WebsocketCommunicator) -> tuple[int, str]:
    message = await socket.receive_output()
    assert message["type"] == "websocket.close", message
    return message["code"], message.get("reason", "")


async def _refused(socket: WebsocketCommunicator) -> tuple[dict[str, Any], int, str]:
    event = await socket.receive_json_from()
    code, reason = await _closed(socket)
    return event, code, reason


async def test_the_snapshot_comes_first_and_knows_the_address(open_socket: Open) -> None:
    socket = await open_socket("/ws/mine?as=html&last_seq=12")

    assert await socket.receive_json_from() == {"type": "snapshot", "html": True, "last_seq": 12}


@pytest.mark.parametrize(
    "query", ["last_seq=-1", "last_seq=x", f"last_seq={'9' * 40}", "as=xml", "last_seq=%D9%A3"]
)
async def test_an_address_with_nonsense_is_read_as_without(open_socket: Open, query: str) -> None:
    socket = await open_socket(f"/ws/mine?{query}")

    assert await socket.receive_json_from() == {"type": "snapshot", "html": False, "last_seq": None}


async def test_a_signed_out_client_learns_it_from_the_code(open_socket: Open) -> None:
    code, reason = await _closed(await open_socket(user=SIGNED_OUT))

    assert code == 4401
    assert reason


async def test_an_object_of_somebody_else_is_not_there(open_socket: Open) -> None:
    assert (await _closed(await open_socket("/ws/theirs")))[0] == 4404


async def test_a_message_of_the_group_reaches_the_client(open_socket: Open) -> None:
    socket = await open_socket()
    await socket.receive_json_from()
    await get_channel_layer().group_send(
        "test.echo", {"type": "thing.changed", "loss": float("nan")}
    )

    assert await socket.receive_json_from() == {"type": "changed", "loss": None}


async def test_a_known_event_is_acted_on(open_socket: Open) -> None:
    socket = await open_socket()
    await socket.receive_json_from()
    await socket.send_json_to({"type": "say", "text": "日本語"})

    assert await socket.receive_json_from() == {"type": "said", "text": "日本語"}


async def test_an_expected_failure_is_told_and_the_socket_stays(open_socket: Open) -> None:
    socket = await open_socket()
    await socket.receive_json_from()
    await socket.send_json_to({"type": "conflict"})
    error = await socket.receive_json_from()
    await socket.send_json_to({"type": "say", "text": "still here"})

    assert error == {"type": "error", "code": "conflict", "message": "A reply is under way."}
    assert (await socket.receive_json_from())["text"] == "still here"


async def test_an_unexpected_failure_closes_without_a_traceback(open_socket: Open) -> None:
    socket = await open_socket()
    await socket.receive_json_from()
    await socket.send_json_to({"type": "crash"})

    code, reason = await _closed(socket)
    assert code == 1011
    assert "Traceback" not in reason


@pytest.mark.parametrize(
    "frame",
    [
        " ",
        "hello",
        "[]",
        "null",
        '"say"',
        "{}",
        '{"type": "unknown"}',
        '{"type": ["say"]}',
        '{"type": "say", "text": NaN}',
        '{"type": "say", "text": "\\ud800"}',
        "[" * 60_000,
    ],
)
async def test_a_frame_that_is_not_understood_closes_with_a_reason(
    open_socket: Open, frame: str
) -> None:
    socket = await open_socket()
    await socket.receive_json_from()
    await socket.send_to(text_data=frame)

    event, code, reason = await _refused(socket)
    assert (event["type"], event["code"], code) == ("error", "malformed", 4400)
    assert reason


async def test_a_binary_frame_is_not_understood(open_socket: Open) -> None:
    socket = await open_socket()
    await socket.receive_json_from()
    await socket.send_to(bytes_data=b"\x00\xff")

    assert (await _refused(socket))[1] == 4400


@pytest.mark.parametrize("text", ["x" * 65_536, "語" * 22_000])
async def test_a_frame_over_the_limit_closes(open_socket: Open, text: str) -> None:
    socket = await open_socket()
    await socket.receive_json_from()
    await socket.send_to(text_data=json.dumps({"type": "say", "text": text}, ensure_ascii=False))

    event, code, _reason = await _refused(socket)
    assert (event["code"], code) == ("too_large", 4413)


async def test_a_flood_closes(open_socket: Open) -> None:
    socket = await open_socket()
    await socket.receive_json_from()
    for number in range(61):
        await socket.send_json_to({"type": "say", "text": str(number)})
    answers = [await socket.receive_json_from() for _answer in range(60)]

    event, code, _reason = await _refused(socket)
    assert {answer["type"] for answer in answers} == {"said"}
    assert (event["code"], code) == ("flood", 4429)


async def test_a_sign_out_closes_an_open_socket(open_socket: Open) -> None:
    socket = await open_socket(later_users=[SIGNED_IN, None])
    await socket.receive_json_from()

    assert (await _closed(socket))[0] == 4401


async def test_a_right_that_ends_closes_an_open_socket(open_socket: Open) -> None:
    socket = await open_socket()
    await socket.receive_json_from()
    # The object of this address is gone from now on.
    socket.scope["path"] = "/ws/theirs"

    assert (await _closed(socket))[0] == 4404


async def test_a_hint_lets_the_sockets_of_a_person_look_at_once(
    open_socket: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Echo, "recheck_seconds", 60)
    mine = await open_socket()
    theirs = await open_socket(user=SimpleNamespace(is_authenticated=True, name="ben", pk=2))
    for socket in (mine, theirs):
        await socket.receive_json_from()
        # An answer comes after the look that follows the connection.
        await socket.send_json_to({"type": "say", "text": "here"})
        await socket.receive_json_from()
        socket.scope["path"] = "/ws/theirs"
    await get_channel_layer().group_send(person_group(1), {"type": "rights.changed"})

    assert (await _closed(mine))[0] == 4404
    await theirs.send_json_to({"type": "say", "text": "still here"})
    assert (await theirs.receive_json_from())["text"] == "still here"


async def test_a_hint_closes_nobody_who_may_still_listen(
    open_socket: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Echo, "recheck_seconds", 60)
    socket = await open_socket()
    await socket.receive_json_from()
    await get_channel_layer().group_send(person_group(1), {"type": "rights.changed"})
    await socket.send_json_to({"type": "say", "text": "still here"})

    assert (await socket.receive_json_from())["text"] == "still here"


async def test_nothing_is_sent_after_the_close(open_socket: Open) -> None:
    socket = await open_socket()
    await socket.receive_json_from()
    await socket.send_to(text_data="nonsense")
    await _refused(socket)
    await get_channel_layer().group_send("test.echo", {"type": "thing.changed", "loss": 1.0})
    await socket.send_json_to({"type": "say", "text": "more"})

    assert await socket.receive_nothing(timeout=0.05)


async def test_without_a_channel_layer_the_page_is_told_to_poll(settings: Any) -> None:
    address = {"address": "unix:///nonexistent/redis.sock"}
    settings.CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.core.RedisChannelLayer",
            "CONFIG": {"hosts": [address]},
        }
    }
    socket = WebsocketCommunicator(Echo.as_asgi(), "/ws/mine")
    socket.scope |= {"user": SIGNED_IN, "language": "en"}

    is_accepted, _protocol = await socket.connect()

    assert is_accepted
    assert (await _closed(socket))[0] == 1013
    await socket.wait()


class Fragile:
    """The in-memory layer whose receiver fails on demand, as a Redis that goes away."""

    def __init__(self) -> None:
        self.inner = get_channel_layer()
        self.is_gone = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def receive(self, channel: str) -> Any:
        await self.is_gone.wait()
        raise RedisConnectionError("gone")


async def test_a_channel_layer_that_goes_away_closes_for_a_later_try(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    layer = Fragile()
    monkeypatch.setattr("channels.consumer.get_channel_layer", lambda alias: layer)
    socket = WebsocketCommunicator(Echo.as_asgi(), "/ws/mine")
    socket.scope |= {"user": SIGNED_IN, "language": "en"}
    await socket.connect()
    await socket.receive_json_from()

    layer.is_gone.set()

    assert (await _closed(socket))[0] == 1013
    await socket.wait()
