"""Who opened a WebSocket: its origin is checked first, then the session or the bearer token gives the person.

`scope["user"]` is the person at connect; `scope["authenticate"]()` asks the database again while the socket is open.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib import import_module
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

from channels.db import database_sync_to_async
from channels.security.websocket import OriginValidator
from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.auth.models import AnonymousUser
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, parse_cookie
from django.utils import translation

from accounts.models import User
from accounts.tokens import find_user

Scope = dict[str, Any]
Application = Callable[[Scope, Any, Any], Awaitable[None]]


def allowed_origins() -> list[str]:
    """Full origins, so that another port of the same host is another site."""
    own = [f"http://{host}:{settings.LLMLORA_PORT}" for host in settings.ALLOWED_HOSTS]
    return [*own, *settings.CSRF_TRUSTED_ORIGINS]


class SocketOrigin:
    """Refuses sockets that another site opened in a signed-in person's browser.

    A program sends no Origin; it is let in when it shows a token, which no browser page can attach to a socket.
    """

    def __init__(self, inner: Application, origins: list[str] | None = None) -> None:
        self.inner = inner
        self.validator = OriginValidator(inner, allowed_origins() if origins is None else origins)

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if self._is_allowed(scope):
            await self.inner(scope, receive, send)
        else:
            await refuse_socket(scope, receive, send)

    def _is_allowed(self, scope: Scope) -> bool:
        origin = header(scope, b"origin")
        if origin is None:
            return header(scope, b"authorization") is not None
        try:
            return bool(self.validator.valid_origin(urlsplit(origin)))
        except ValueError:
            return False


class SocketAuth:
    """Fills scope["user"], scope["authenticate"] and scope["language"]."""

    def __init__(self, inner: Application) -> None:
        self.inner = inner

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        find = _user_finder(scope)

        async def authenticate() -> User | None:
            user: User | None = await database_sync_to_async(find)()
            return user

        user = await authenticate()
        extra = {
            "user": user or AnonymousUser(),
            "authenticate": authenticate,
            "language": _language(scope),
        }
        await self.inner({**scope, **extra}, receive, send)


async def refuse_socket(scope: Scope, receive: Any, send: Any) -> None:
    """Answer the handshake with 403."""
    await receive()
    await send({"type": "websocket.close"})


def header(scope: Scope, name: bytes) -> str | None:
    """One header's value; the last one counts when a client repeats it."""
    values = [value for key, value in scope.get("headers", []) if key == name]
    return values[-1].decode("latin-1") if values else None


def _user_finder(scope: Scope) -> Callable[[], User | None]:
    authorization = header(scope, b"authorization")
    if authorization is not None:
        # With a token the cookies count for nothing, as on the API.
        scheme, _space, plain = authorization.partition(" ")
        return lambda: find_user(plain.strip()) if scheme.lower() == "bearer" else None
    cookies = parse_cookie(header(scope, b"cookie") or "")
    session_key = cookies.get(settings.SESSION_COOKIE_NAME)
    return lambda: _user_of_session(session_key)


def _user_of_session(session_key: str | None) -> User | None:
    if not session_key:
        return None
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user = get_user(request)
    return user if isinstance(user, User) and user.is_active else None


def _language(scope: Scope) -> str:
    """That of the page, which names it; else as LocaleMiddleware chooses: the language cookie, then Accept-Language."""
    # A browser may announce another language at the handshake than with its pages: Chromium forgets an emulated one.
    named = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("language", [""])[-1]
    if named in dict(settings.LANGUAGES):
        return named
    request = ASGIRequest({**scope, "method": "GET"}, BytesIO())
    return translation.get_language_from_request(request)
