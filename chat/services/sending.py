"""Write a message that the session's models answer, and stop what they answer."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from chat import lifecycle
from chat.models import Answerer, ChatSession, Message, Reply
from chat.naming import shown_absence
from chat.queueing import admit
from chat.selectors import active_reply_ids
from chat.services.settings import read_sampling, sampling_of
from chat.services.texts import read_text
from chat.tasks import answer
from common.errors import ConflictError, Fault, InvalidInputError, NotFoundError
from common.poke import poke_on_commit


def send_message(
    session: ChatSession,
    *,
    text: str,
    sampling: dict[str, Any] | None = None,
    after: UUID | None = None,
) -> Message:
    """Store the message behind the branch in view and queue its replies.

    Args:
        after: the last message that the person saw; it must still be the last one in view.

    Raises:
        InvalidInputError: the text is empty, too long or not text, or the sampling is out of range.
        TooManyRequestsError: too many replies wait already.
        ConflictError: the last message is still being answered, or the chat went on in another window.
    """
    faults: list[Fault] = []
    text = read_text(text, faults)
    params = read_sampling({**sampling_of(session), **(sampling or {})}, faults)
    if faults:
        raise InvalidInputError(str(faults[0].message), faults=faults)
    with transaction.atomic():
        locked = take_turn(session)
        if after is not None and after != locked.head_id:
            raise ConflictError(
                _(
                    "This chat went on in another window, so your message was not sent. "
                    "Load the page again, then send it behind what stands there now."
                )
            )
        return add_message(session, parent_id=locked.head_id, text=text, sampling=params)


def take_turn(session: ChatSession, *, reply_count: int | None = None) -> ChatSession:
    """Within a transaction: the session's row, locked, once so many replies more may wait in the queue.

    Args:
        reply_count: of each model that is there unless told otherwise.

    Raises:
        TooManyRequestsError: too many replies wait already.
        ConflictError: something is still being answered, no model is left that could answer, or it is a duel that
            has its question.
    """
    admit(session.owner, reply_count or len(present_answerers(session)))
    locked = lock_idle(session)
    if locked.kind == ChatSession.Kind.DUEL and locked.head_id is not None:
        raise ConflictError(
            _("A duel is one question and one answer of each. Begin the next duel to ask another.")
        )
    return locked


def lock_idle(session: ChatSession) -> ChatSession:
    """The session's row, locked for this transaction, while nothing in it is being answered.

    Raises:
        ConflictError: something is.
        NotFoundError: it was deleted meanwhile.
    """
    # The lock keeps two windows of one person from sending at the same moment.
    locked = ChatSession.objects.select_for_update().filter(pk=session.pk).first()
    if locked is None:
        raise NotFoundError(_("There is no chat with this id, or it is not yours."))
    if active_reply_ids(session):
        raise ConflictError(_("The model is still answering. Wait for it, or stop it first."))
    return locked


def add_message(
    session: ChatSession,
    *,
    parent_id: UUID | None,
    text: str,
    sampling: dict[str, Any],
    history: list[dict[str, Any]] | None = None,
) -> Message:
    """Within a transaction: a message that becomes the head, and a reply of each model that is there.

    Raises:
        ConflictError: no model is left that could answer.
    """
    answerers = present_answerers(session)
    message = Message.objects.create(
        session=session, parent_id=parent_id, text=text, history=history
    )
    for answerer in answerers:
        queue_reply(message, answerer, sampling)
    session.head = message
    session.save(update_fields=["head", "updated_at"])
    return message


def queue_reply(
    message: Message, answerer: Answerer, sampling: dict[str, Any], *, take: int = 1
) -> Reply:
    """Within a transaction: a reply that a worker answers once it is committed.

    Raises:
        ConflictError: the model is not there any more.
    """
    if sentence := shown_absence(message.session, answerer):
        raise ConflictError(sentence)
    reply = Reply.objects.create(message=message, answerer=answerer, take=take, sampling=sampling)
    poke_on_commit(answer, str(reply.pk))
    return reply


def present_answerers(session: ChatSession) -> list[Answerer]:
    """Those that can still answer.

    Raises:
        ConflictError: none of them can.
    """
    answerers = list(session.answerers.all())
    present = [answerer for answerer in answerers if not shown_absence(session, answerer)]
    if not present:
        raise ConflictError(shown_absence(session, answerers[0]))
    return present


def cancel_replies(session: ChatSession) -> int:
    """Stop what is being answered; the text so far stays. Returns how many replies were stopped."""
    return lifecycle.request_cancel(session.pk)
