"""A completion as server-sent events."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator
from typing import Any

from django.http import StreamingHttpResponse
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from chat.models import Reply
from chat.openai_api.answers import Answer
from chat.openai_api.errors import domain_error_body, error_body, failure_of
from chat.openai_api.following import Follower, read_ended
from chat.openai_api.reading import Order
from chat.services.completing import withdraw
from common import strict_json
from common.errors import DomainError

logger = logging.getLogger(__name__)

KEEP_ALIVE_SECONDS = 10.0
KEEP_ALIVE = ": keep-alive\n\n"
UNEXPECTED = gettext_noop(
    "Something went wrong on the server. It has been written to the log. Try again, or tell your instructor."
)
DONE = "data: [DONE]\n\n"
HEADERS = {
    "Cache-Control": "no-cache",
    # A proxy that gathers the response before it passes it on would end the streaming.
    "X-Accel-Buffering": "no",
}


def streaming_response(reply: Reply, answer: Answer, order: Order) -> StreamingHttpResponse:
    stream = CompletionStream(reply, answer, order)
    return StreamingHttpResponse(stream, content_type="text/event-stream", headers=HEADERS)


class CompletionStream:
    """The body of the response. Django closes it at the end, and when the program has hung up.

    The language is that of the request: the stream is read after the request's own context has ended.
    """

    def __init__(self, reply: Reply, answer: Answer, order: Order) -> None:
        self._reply = reply
        self._answer = answer
        self._order = order
        self._language = translation.get_language()
        self._has_ended = False

    def __aiter__(self) -> AsyncIterator[str]:
        return self._lines()

    def close(self) -> None:
        """Give the place back when nobody reads the rest."""
        if not self._has_ended:
            withdraw(self._reply)

    async def _lines(self) -> AsyncIterator[str]:
        with translation.override(self._language):
            try:
                async for line in self._answer_lines():
                    yield line
            except DomainError as error:
                yield _event(domain_error_body(error))
            except Exception:
                logger.exception("reply=%s stream failed", self._reply.pk)
                yield _event(error_body(500, _(UNEXPECTED), code="internal"))

    async def _answer_lines(self) -> AsyncIterator[str]:
        yield _event(self._answer.role_chunk())
        sent_at = time.monotonic()
        wants_logprobs = self._order.top_logprobs is not None
        follower = Follower(self._reply, wants_logprobs=wants_logprobs)
        async for piece in follower.growth():
            if piece.text or piece.logprobs:
                yield _event(self._answer.text_chunk(piece.text, piece.logprobs))
            elif time.monotonic() - sent_at >= KEEP_ALIVE_SECONDS:
                yield KEEP_ALIVE
            else:
                continue
            sent_at = time.monotonic()
        self._has_ended = True
        async for line in self._last_lines():
            yield line

    async def _last_lines(self) -> AsyncIterator[str]:
        reply = await read_ended(self._reply)
        if (failure := failure_of(reply)) is not None:
            raise failure
        yield _event(self._answer.end_chunk(reply))
        if self._order.includes_usage:
            yield _event(self._answer.usage_chunk(reply))
        yield DONE


def _event(body: dict[str, Any]) -> str:
    return f"data: {strict_json.dumps(body)}\n\n"
