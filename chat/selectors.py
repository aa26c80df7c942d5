"""Reads of conversations, shared by pages, API and tasks; scoped to a user."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from chat.models import ChatSession, Message, Reply
from common.errors import NotFoundError
from training.models import TrainingJob
from training.selectors import completed_jobs

Person = AbstractBaseUser | AnonymousUser
ACTIVE = (Reply.Status.PENDING, Reply.Status.RUNNING)


def sessions_visible_to(user: Person) -> QuerySet[ChatSession]:
    return ChatSession.objects.visible_to(user).select_related("job__base_model", "base_model")


def get_session(user: Person, session_id: UUID | str) -> ChatSession:
    """The session, when the user may see it.

    Raises:
        NotFoundError: no such session, or it is somebody else's.
    """
    try:
        session = sessions_visible_to(user).filter(pk=session_id).first()
    except (ValidationError, ValueError):
        session = None
    if session is None:
        raise NotFoundError(_("There is no chat with this id, or it is not yours."))
    return session


def messages(session: ChatSession) -> list[Message]:
    """The session's messages with their replies, oldest first."""
    return list(session.messages.prefetch_related("replies").order_by("created_at"))


def talkable_jobs(user: Person) -> QuerySet[TrainingJob]:
    return completed_jobs(user)


def active_reply_ids(session: ChatSession) -> list[UUID]:
    """Replies that wait or are being written."""
    return list(
        Reply.objects.filter(message__session=session, status__in=ACTIVE).values_list(
            "pk", flat=True
        )
    )
