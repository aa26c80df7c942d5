"""The chat API: sessions, their messages, and one answer per call."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Header, Router, Status

from accounts.idempotency import once
from accounts.models import User
from chat import services
from chat.models import ChatSession, Message, Reply
from chat.schemas import (
    CompletedJobSchema,
    GenerateAnswer,
    GenerateRequest,
    MessageSchema,
    SessionRequest,
    SessionSchema,
    turns_in_order,
)
from chat.selectors import ACTIVE, get_session, messages, sessions_visible_to, talkable_jobs
from chat.sentences import failure_sentence
from common.api import ERROR_RESPONSES, current_user, paginated
from common.errors import ConflictError, DomainError, InvalidInputError, UnavailableError

MAX_WAIT_FOR_WORKER_SECONDS = 60.0
"""A reply still waiting after this long has no worker, or a queue that nobody wants to hold a connection for."""
MAX_WAIT_SECONDS = 600.0
"""4096 tokens on a slow CPU."""
POLL_SECONDS = 0.1

router = Router(tags=["chat"])


@router.get(
    "/sessions",
    response={200: list[SessionSchema]} | ERROR_RESPONSES,
    summary="The caller's chats, newest first",
)
@paginated
def list_sessions(request: HttpRequest) -> QuerySet[ChatSession]:
    return sessions_visible_to(current_user(request))


@router.post("/sessions", response={201: SessionSchema} | ERROR_RESPONSES, summary="Open a chat")
def create_session(
    request: HttpRequest,
    body: SessionRequest,
    idempotency_key: str | None = Header(None, alias="Idempotency-Key"),
) -> Status[ChatSession]:
    user = current_user(request)

    def create() -> ChatSession:
        return services.create_session(user, **body.model_dump())

    session = once(
        user,
        scope="chat_session",
        key=idempotency_key,
        create=create,
        find=lambda pk: get_session(user, pk),
    )
    return Status(201, session)


@router.get(
    "/sessions/{uuid:session_id}/messages",
    response={200: list[MessageSchema]} | ERROR_RESPONSES,
    summary="Every turn of a chat",
)
@paginated
def list_messages(request: HttpRequest, session_id: UUID) -> list[MessageSchema]:
    return turns_in_order(messages(get_session(current_user(request), session_id)))


@router.delete(
    "/sessions/{uuid:session_id}", response={204: None} | ERROR_RESPONSES, summary="Delete a chat"
)
def delete_session(request: HttpRequest, session_id: UUID) -> Status[None]:
    services.delete_session(get_session(current_user(request), session_id))
    return Status(204, None)


@router.get(
    "/completed-jobs",
    response={200: list[CompletedJobSchema]} | ERROR_RESPONSES,
    summary="Tuned models that can be talked to",
)
@paginated
def list_completed_jobs(request: HttpRequest) -> QuerySet[Any]:
    return talkable_jobs(current_user(request))


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
    return session, services.send_message(session, text=body.message, sampling=body.sampling())


@sync_to_async
def _stop(session: ChatSession) -> None:
    services.cancel_replies(session)


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
        raise _failure(reply)
    return GenerateAnswer(
        message_id=message.pk,
        response=reply.text,
        session_id=session.pk,
        finish_reason=reply.finish_reason,
        usage=reply.usage,
        timings=reply.timings,
        replies=[MessageSchema.of_reply(item) for item in replies],
    )


def _failure(reply: Reply) -> DomainError:
    sentence = failure_sentence(reply)
    match reply.error_code:
        case "prompt_too_long":
            return InvalidInputError(sentence)
        case "adapter_unusable":
            return ConflictError(sentence)
    return UnavailableError(sentence)
