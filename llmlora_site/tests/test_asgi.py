"""The whole application as a server runs it."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from asgiref.testing import ApplicationCommunicator
from channels.testing import WebsocketCommunicator
from channels_redis.core import RedisChannelLayer

from conftest import REDIS_CHANNEL_LAYERS
from llmlora_site.asgi import application

ORIGIN = (b"origin", b"http://localhost:8000")


@pytest.mark.parametrize("path", ["/ws/nothing", "/", "/ws/training/not-an-id", "/ws/chat/"])
async def test_a_socket_address_that_nobody_has_is_refused_at_the_handshake(
    transactional_db: None, path: str
) -> None:
    is_accepted, _code = await WebsocketCommunicator(application, path, headers=[ORIGIN]).connect()

    assert not is_accepted


@pytest.mark.parametrize("path", ["/ws/training/{}", "/ws/chat/{}", "/ws/classroom/{}"])
async def test_a_signed_out_socket_is_closed_with_4401(transactional_db: None, path: str) -> None:
    socket = WebsocketCommunicator(application, path.format(uuid4()), headers=[ORIGIN])
    is_accepted, _protocol = await socket.connect()
    closed = await socket.receive_output()
    await socket.disconnect()

    assert is_accepted
    assert (closed["type"], closed["code"]) == ("websocket.close", 4401)


async def test_another_site_is_refused_before_anybody_is_looked_up() -> None:
    headers = [(b"origin", b"http://evil.example")]
    socket = WebsocketCommunicator(application, f"/ws/training/{uuid4()}", headers=headers)

    is_accepted, _code = await socket.connect()

    assert not is_accepted


async def test_a_large_body_never_reaches_django() -> None:
    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "path": "/api/datasets",
        "query_string": b"",
        "headers": [(b"content-length", b"104857600"), (b"cookie", b"sessionid=x")],
    }
    request = ApplicationCommunicator(application, scope)

    assert (await request.receive_output())["status"] == 413


async def test_a_server_that_announces_start_and_stop_gets_its_answers() -> None:
    server = ApplicationCommunicator(application, {"type": "lifespan"})
    await server.send_input({"type": "lifespan.startup"})
    started = await server.receive_output()
    await server.send_input({"type": "lifespan.shutdown"})
    stopped = await server.receive_output()
    await server.wait()

    assert [started["type"], stopped["type"]] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]


def test_the_redis_client_waits_longer_than_the_channel_layer() -> None:
    """With the client's default both gave up after 5 s, and a socket without news closed."""
    layers: Any = REDIS_CHANNEL_LAYERS

    timeouts = [host["socket_timeout"] for host in layers["default"]["CONFIG"]["hosts"]]

    assert min(timeouts) > RedisChannelLayer.brpop_timeout
