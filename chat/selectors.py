"""Reads of conversations, shared by pages, API and tasks; scoped to a user."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.exceptions import ValidationError
from django.db.models import Prefetch, QuerySet
from django.utils.translation import gettext as _

from chat.models import Answerer, ChatSession, Message, Reply
from common.errors import NotFoundError
from training.models import TrainingJob
from training.selectors import completed_jobs

Person = AbstractBaseUser | AnonymousUser
ACTIVE = (Reply.Status.PENDING, Reply.Status.RUNNING)


def sessions_visible_to(user: Person) -> QuerySet[ChatSession]:
    """With the models that answer in them, newest first; those that programs made are left out."""
    return _with_answerers(user).filter(kind=ChatSession.Kind.CHAT)


def _with_answerers(user: Person) -> QuerySet[ChatSession]:
    answerers = Answerer.objects.select_related("job", "base_model")
    return ChatSession.objects.visible_to(user).prefetch_related(Prefetch("answerers", answerers))


def get_session(user: Person, session_id: UUID | str) -> ChatSession:
    """The session, when the user may see it.

    Raises:
        NotFoundError: no such session, or it is somebody else's.
    """
    try:
        session = _with_answerers(user).filter(pk=session_id).first()
    except (ValidationError, ValueError):
        session = None
    if session is None:
        raise NotFoundError(_("There is no chat with this id, or it is not yours."))
    return session


def messages(session: ChatSession) -> list[Message]:
    """The branch in view: its messages with their chosen replies, oldest first."""
    chosen = Reply.objects.filter(is_chosen=True).select_related("answerer")
    rows = session.messages.prefetch_related(Prefetch("replies", chosen))
    return branch_of(rows, session.head_id)


def branch_of(rows: Iterable[Message], head_id: UUID | None) -> list[Message]:
    """The messages from the first one to the head, out of all of a session."""
    by_id = {message.pk: message for message in rows}
    branch: list[Message] = []
    while head_id is not None and (message := by_id.pop(head_id, None)) is not None:
        branch.append(message)
        head_id = message.parent_id
    return branch[::-1]


def talkable_jobs(user: Person) -> QuerySet[TrainingJob]:
    return completed_jobs(user)


def active_reply_ids(session: ChatSession) -> list[UUID]:
    """Replies that wait or are being written."""
    return list(
        Reply.objects.filter(message__session=session, status__in=ACTIVE).values_list(
            "pk", flat=True
        )
    )
