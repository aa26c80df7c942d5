"""The chat, message or reply of an address, for its owner; for everybody else there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

from django.http import Http404

from accounts.models import User
from chat.finding import get_message, get_reply
from chat.models import ChatSession, Message, Reply
from chat.selectors import get_session
from common.errors import NotFoundError

Found = TypeVar("Found")


def owned_session(user: User, session_id: UUID) -> ChatSession:
    return _or_404(get_session, user, session_id)


def owned_message(user: User, message_id: UUID) -> Message:
    return _or_404(get_message, user, message_id)


def owned_reply(user: User, reply_id: UUID) -> Reply:
    return _or_404(get_reply, user, reply_id)


def _or_404(find: Callable[[User, UUID], Found], user: User, wanted: UUID) -> Found:
    try:
        return find(user, wanted)
    except NotFoundError as error:
        raise Http404(str(error.message)) from error
