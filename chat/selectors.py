"""Reads of conversations, shared by pages, API and tasks; scoped to a user."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.exceptions import ValidationError
from django.db.models import Prefetch, QuerySet
from django.utils.translation import gettext as _

from accounts.models import Membership
from chat.models import Answerer, ChatSession, Message, Reply
from common.errors import ConflictError, NotFoundError
from training.models import TrainingJob
from training.selectors import get_job
from training.sharing.selectors import SharedJob, arena_shares, shared_jobs, usable_jobs

__all__ = [
    "ACTIVE",
    "SharedJob",
    "active_reply_ids",
    "branch_of",
    "get_session",
    "get_talkable_job",
    "is_in_duel",
    "may_answer",
    "messages",
    "sessions_visible_to",
    "shared_jobs",
    "talkable_jobs",
]

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
        # Nobody talks in the sessions of prompt sets: they have pages of their own.
        rows = _with_answerers(user).exclude(kind=ChatSession.Kind.EVALUATION)
        session = rows.filter(pk=session_id).first()
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
    """Jobs whose adapter the person may talk to: their own, and those that classmates share."""
    return usable_jobs(user)


def get_talkable_job(user: Person, job_id: UUID | str) -> TrainingJob:
    """The job, when its adapter may be talked to.

    Raises:
        NotFoundError: there is no such job for this person.
        ConflictError: it is theirs, and has no adapter yet.
    """
    try:
        job = talkable_jobs(user).filter(pk=job_id).first()
    except (ValidationError, ValueError):
        job = None
    if job is None:
        get_job(user, job_id)
        raise ConflictError(
            _("This job has no adapter to talk to yet. Wait until it is completed.")
        )
    return job


def may_answer(answerer: Answerer) -> bool:
    """Whether the owner of its session may still talk to the model; an own or an untouched one always."""
    session, job = answerer.session, answerer.job
    if job is None or job.owner_id == session.owner_id:
        return True
    if session.kind == ChatSession.Kind.DUEL:
        return is_in_duel(session, job)
    return talkable_jobs(session.owner).filter(pk=job.pk).exists()


def is_in_duel(session: ChatSession, job: TrainingJob) -> bool:
    """Whether the adapter takes part in the arena of a duel, and the voter may still be there."""
    if session.cohort_id is None:
        return False
    voters = Membership.objects.filter(cohort_id=session.cohort_id, user_id=session.owner_id)
    return voters.exists() and arena_shares(session.cohort_id).filter(job_id=job.pk).exists()


def active_reply_ids(session: ChatSession) -> list[UUID]:
    """Replies that wait or are being written."""
    return list(
        Reply.objects.filter(message__session=session, status__in=ACTIVE).values_list(
            "pk", flat=True
        )
    )
