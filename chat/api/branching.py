"""Ask differently, answer again, and go between branches and takes."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest
from ninja import Status

from chat.api.router import router
from chat.finding import get_message, get_reply
from chat.models import ChatSession
from chat.schemas import (
    EditRequest,
    MessageSchema,
    RegenerateRequest,
    SessionSchema,
    TurnSchema,
)
from chat.services.branching import (
    choose_take,
    edit_message,
    regenerate,
    regenerate_all,
    show_branch,
)
from common.api import ERROR_RESPONSES, current_user


@router.post(
    "/messages/{uuid:message_id}/edit",
    response={201: TurnSchema} | ERROR_RESPONSES,
    summary="Ask something else in the place of a message",
)
def edit(request: HttpRequest, message_id: UUID, body: EditRequest) -> Status[TurnSchema]:
    """A new branch, which comes into view; its replies are drawn meanwhile. The old branch stays."""
    message = get_message(current_user(request), message_id)
    new = edit_message(message, text=body.message, sampling=body.settings)
    replies = new.replies.select_related("answerer")
    return Status(
        201,
        TurnSchema(
            message=MessageSchema.of_message(new),
            replies=[MessageSchema.of_reply(reply) for reply in replies],
        ),
    )


@router.post(
    "/messages/{uuid:message_id}/show",
    response={200: SessionSchema} | ERROR_RESPONSES,
    summary="Bring the branch of a message into view",
)
def show(request: HttpRequest, message_id: UUID) -> ChatSession:
    return show_branch(get_message(current_user(request), message_id))


@router.post(
    "/messages/{uuid:message_id}/regenerate",
    response={201: TurnSchema} | ERROR_RESPONSES,
    summary="Let every model of the chat answer again",
)
def all_answer_again(
    request: HttpRequest, message_id: UUID, body: RegenerateRequest | None = None
) -> Status[TurnSchema]:
    """New takes, all drawn with the same settings and the same seed: a new one unless one is given."""
    message = get_message(current_user(request), message_id)
    takes = regenerate_all(message, sampling=body.settings if body else None)
    return Status(
        201,
        TurnSchema(
            message=MessageSchema.of_message(message),
            replies=[MessageSchema.of_reply(take) for take in takes],
        ),
    )


@router.post(
    "/replies/{uuid:reply_id}/regenerate",
    response={201: MessageSchema} | ERROR_RESPONSES,
    summary="Let the model answer again",
)
def answer_again(
    request: HttpRequest, reply_id: UUID, body: RegenerateRequest | None = None
) -> Status[MessageSchema]:
    """The new take stands in the conversation; it is drawn meanwhile, with a new seed unless one is given."""
    reply = get_reply(current_user(request), reply_id)
    take = regenerate(reply, sampling=body.settings if body else None)
    return Status(201, MessageSchema.of_reply(take))


@router.post(
    "/replies/{uuid:reply_id}/choose",
    response={200: MessageSchema} | ERROR_RESPONSES,
    summary="Let this take stand in the conversation",
)
def choose(request: HttpRequest, reply_id: UUID) -> MessageSchema:
    return MessageSchema.of_reply(choose_take(get_reply(current_user(request), reply_id)))
