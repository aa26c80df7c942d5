"""The largest request that is read at all. Django itself stores a body of any size before the first view runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from io import BytesIO
from typing import Any

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse, parse_cookie
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext_lazy as _

from chat.openai_api.schemas import MAX_BODY_BYTES
from llmlora_site.api_errors import OPENAI_PREFIX, responder_at

Scope = dict[str, Any]
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

TITLE = _("Too large")
SENTENCE = _(
    "What you sent is larger than this server takes, so nothing was saved. Send a smaller file, or sign in first."
)


class _BodyTooLargeError(Exception):
    """The counted bytes of a body without a length passed the limit."""


class BodyLimit:
    """Refuses by Content-Length at once, and by counting where a client tells no length or a wrong one."""

    def __init__(self, inner: Application) -> None:
        self.inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        limit = _limit_of(scope)
        if _content_length(scope) > limit:
            await _refuse(scope, send)
            return
        has_started = False
        received_bytes = 0

        async def counted_receive() -> Message:
            nonlocal received_bytes
            message = await receive()
            received_bytes += len(message.get("body", b""))
            if received_bytes > limit:
                raise _BodyTooLargeError
            return message

        async def watched_send(message: Message) -> None:
            nonlocal has_started
            has_started = True
            await send(message)

        try:
            await self.inner(scope, counted_receive, watched_send)
        except _BodyTooLargeError:
            if not has_started:
                await _refuse(scope, send)


def _limit_of(scope: Scope) -> int:
    """Only somebody who shows a session or a token may send more than a form."""
    headers = dict(scope["headers"])
    cookies = parse_cookie(headers.get(b"cookie", b"").decode("latin-1"))
    is_known = settings.SESSION_COOKIE_NAME in cookies or b"authorization" in headers
    if not is_known:
        return settings.MAX_ANONYMOUS_REQUEST_BYTES
    if scope["path"].startswith(OPENAI_PREFIX):
        return MAX_BODY_BYTES
    is_upload = scope["path"] in settings.UPLOAD_PATHS
    return settings.MAX_UPLOAD_REQUEST_BYTES if is_upload else settings.MAX_REQUEST_BYTES


def _content_length(scope: Scope) -> int:
    text = dict(scope["headers"]).get(b"content-length", b"")
    # Twenty digits are beyond every limit already; Python refuses to read thousands of them.
    return int(text[:20]) if text.isdigit() else 0


async def _refuse(scope: Scope, send: Send) -> None:
    with translation.override(translation.get_language_from_request(ASGIRequest(scope, BytesIO()))):
        response = _response(scope["path"])
    headers = [
        (name.lower().encode("latin-1"), value.encode("latin-1"))
        for name, value in response.items()
    ]
    headers += [
        (b"content-length", str(len(response.content)).encode("ascii")),
        (b"x-content-type-options", b"nosniff"),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": response.content})


def _response(path: str) -> HttpResponse:
    respond = responder_at(path)
    if respond is not None:
        return respond(413, "" if path.startswith(OPENAI_PREFIX) else SENTENCE)
    context = {"title": TITLE, "sentence": SENTENCE, "language": translation.get_language()}
    return HttpResponse(render_to_string("llmlora_site/plain_sentence.html", context))
