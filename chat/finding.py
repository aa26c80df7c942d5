"""One message or one reply of a person's own chats."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from chat.models import ChatSession, Message, Reply
from chat.selectors import get_session
from common.errors import NotFoundError

Person = AbstractBaseUser | AnonymousUser


def get_message(user: Person, message_id: UUID | str) -> Message:
    """The message, with its session and that session's models.

    Raises:
        NotFoundError: no such message, or it is somebody else's.
    """
    own = Message.objects.filter(session__in=_own_sessions(user))
    message: Message | None = _first(own, message_id)
    if message is None:
        raise NotFoundError(_("There is no message with this id, or it is not yours."))
    message.session = get_session(user, message.session_id)
    return message


def get_reply(user: Person, reply_id: UUID | str) -> Reply:
    """The reply, with its message, its session and its model.

    Raises:
        NotFoundError: no such reply, or it is somebody else's.
    """
    own = Reply.objects.filter(message__session__in=_own_sessions(user))
    related = own.select_related("message", "answerer__base_model", "answerer__job")
    reply: Reply | None = _first(related, reply_id)
    if reply is None:
        raise NotFoundError(_("There is no reply with this id, or it is not yours."))
    reply.message.session = get_session(user, reply.message.session_id)
    return reply


def _own_sessions(user: Person) -> QuerySet[ChatSession]:
    return ChatSession.objects.visible_to(user).order_by()


def _first(rows: QuerySet[Any], wanted: UUID | str) -> Any:
    try:
        return rows.filter(pk=wanted).first()
    except (ValidationError, ValueError):
        return None
