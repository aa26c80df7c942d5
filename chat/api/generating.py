"""One message and its answer in one call."""

from __future__ import annotations

import asyncio
import time

from asgiref.sync import sync_to_async
from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts.models import User
from chat.api.router import router
from chat.models import ChatSession, Message, Reply
from chat.naming import HIDDEN_CODE, shown_failure, shown_figures
from chat.schemas import GenerateAnswer, GenerateRequest, MessageSchema
from chat.selectors import ACTIVE, get_session
from chat.services.sending import cancel_replies, send_message
from common.api import ERROR_RESPONSES, current_user
from common.errors import ConflictError, DomainError, InvalidInputError, UnavailableError

MAX_WAIT_FOR_WORKER_SECONDS = 60.0
"""A reply still waiting after this long has no worker, or a queue that nobody wants to hold a connection for."""
MAX_WAIT_SECONDS = 600.0
"""4096 tokens on a slow CPU."""
POLL_SECONDS = 0.1


@router.post(
    "/generate",
    response={200: GenerateAnswer} | ERROR_RESPONSES,
    summary="Send a message and wait for its answer",
)
async def generate(request: HttpRequest, body: GenerateRequest) -> GenerateAnswer:
    session, message = await _send(current_user(request), body)
    try:
        replies = await _wait_for_replies(message)
    except asyncio.CancelledError:
        # The caller hung up: nobody will read the answer, so the device is given back.
        await asyncio.shield(_stop(session))
        raise
    except UnavailableError:
        await _stop(session)
        raise
    return await sync_to_async(_answer)(session, message, replies)


@sync_to_async
def _send(user: User, body: GenerateRequest) -> tuple[ChatSession, Message]:
    session = get_session(user, body.session_id)
    return session, send_message(session, text=body.message, sampling=body.sampling())


@sync_to_async
def _stop(session: ChatSession) -> None:
    cancel_replies(session)


async def _wait_for_replies(message: Message) -> list[Reply]:
    """The message's replies once each of them has ended.

    Raises:
        UnavailableError: no worker took one of them in time, or it takes too long.
    """
    started_at = time.monotonic()
    while True:
        replies = [reply async for reply in message.replies.select_related("answerer")]
        if not any(reply.status in ACTIVE for reply in replies):
            return replies
        waited_seconds = time.monotonic() - started_at
        is_waiting = any(reply.status == Reply.Status.PENDING for reply in replies)
        if is_waiting and waited_seconds > MAX_WAIT_FOR_WORKER_SECONDS:
            raise UnavailableError(
                _(
                    "No worker took the message in time, so it was withdrawn. "
                    "Check that a worker is running, then send it again."
                )
            )
        if waited_seconds > MAX_WAIT_SECONDS:
            raise UnavailableError(
                _(
                    "The answer took too long and was stopped. "
                    "Lower the maximum number of tokens, then send the message again."
                )
            )
        await asyncio.sleep(POLL_SECONDS)


def _answer(session: ChatSession, message: Message, replies: list[Reply]) -> GenerateAnswer:
    # The model that the session is about stands first.
    reply = replies[0] if replies else None
    if reply is None:
        raise ConflictError(_("The chat was deleted before the answer came."))
    if reply.status == Reply.Status.FAILED:
        raise _failure(session, reply)
    return GenerateAnswer(
        message_id=message.pk,
        response=reply.text,
        session_id=session.pk,
        finish_reason=reply.finish_reason,
        usage=shown_figures(session, reply.usage),
        timings=shown_figures(session, reply.timings),
        replies=[MessageSchema.of_reply(item) for item in replies],
    )


def _failure(session: ChatSession, reply: Reply) -> DomainError:
    sentence = shown_failure(session, reply)
    match HIDDEN_CODE if session.hides_names else reply.error_code:
        case "prompt_too_long":
            return InvalidInputError(sentence)
        case "adapter_unusable":
            return ConflictError(sentence)
    return UnavailableError(sentence)
