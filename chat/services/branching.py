"""Other ways through a conversation: an edited message begins a branch, a regenerated reply is a further take."""

from __future__ import annotations

import secrets
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from chat.conversations import newest_below
from chat.models import ChatSession, Message, Reply
from chat.services.sending import add_message, lock_idle, queue_reply, take_turn
from chat.services.settings import read_sampling, sampling_of
from chat.services.texts import read_text
from common.errors import ConflictError, Fault, InvalidInputError
from engine.config import SamplingParams

MAX_TAKES = 20
"""Of one model to one message: more are no choice any more."""


def edit_message(message: Message, *, text: str, sampling: dict[str, Any] | None = None) -> Message:
    """Ask something else in the place of a message: a new branch, which comes into view. The old one stays.

    Raises:
        InvalidInputError: the text or the sampling can not be used.
        TooManyRequestsError: too many replies wait already.
        ConflictError: something is still being answered, or no model is left that could answer.
    """
    session = message.session
    faults: list[Fault] = []
    text = read_text(text, faults)
    params = read_sampling({**sampling_of(session), **(sampling or {})}, faults)
    _refuse(faults)
    with transaction.atomic():
        take_turn(session)
        return add_message(
            session,
            parent_id=message.parent_id,
            text=text,
            sampling=params,
            history=message.history,
        )


def show_branch(message: Message) -> ChatSession:
    """Bring the branch of a message into view, down to the newest message behind it.

    Raises:
        ConflictError: something is still being answered.
    """
    session = message.session
    with transaction.atomic():
        lock_idle(session)
        session.head_id = newest_below(session, message)
        # When it was looked at does not make a chat newer.
        session.save(update_fields=["head"])
    return session


def regenerate(reply: Reply, *, sampling: dict[str, Any] | None = None) -> Reply:
    """Let the same model answer the same message again; the new take stands in the conversation.

    The seed is a new one, unless one is given or the temperature is 0, where it changes nothing.

    Raises:
        InvalidInputError: the sampling is out of range.
        TooManyRequestsError: too many replies wait already.
        ConflictError: something is still being answered, the model is gone, or there are MAX_TAKES already.
    """
    faults: list[Fault] = []
    params = read_sampling({**reply.sampling, **(sampling or {})}, faults)
    _refuse(faults)
    session = reply.message.session
    with transaction.atomic():
        take_turn(session, reply_count=1)
        takes = Reply.objects.filter(message=reply.message_id, answerer=reply.answerer_id)
        earlier = list(takes.order_by("take").values_list("take", "sampling"))
        if len(earlier) >= MAX_TAKES:
            raise ConflictError(
                _(
                    "There are %(count)d takes of this reply already, which is the most that is kept. "
                    "Choose one of them, or change the message."
                )
                % {"count": len(earlier)}
            )
        if params["temperature"] > 0 and "seed" not in (sampling or {}):
            params["seed"] = _fresh_seed({used.get("seed") for _take, used in earlier})
        takes.filter(is_chosen=True).update(is_chosen=False)
        session.save(update_fields=["updated_at"])
        return queue_reply(reply.message, reply.answerer, params, take=earlier[-1][0] + 1)


def choose_take(reply: Reply) -> Reply:
    """Let this take stand in the conversation, and in what the model sees of it from now on.

    Raises:
        ConflictError: something is still being answered.
    """
    with transaction.atomic():
        lock_idle(reply.message.session)
        takes = Reply.objects.filter(message=reply.message_id, answerer=reply.answerer_id)
        takes.filter(is_chosen=True).update(is_chosen=False)
        takes.filter(pk=reply.pk).update(is_chosen=True)
    reply.is_chosen = True
    return reply


def _refuse(faults: list[Fault]) -> None:
    if faults:
        raise InvalidInputError(str(faults[0].message), faults=faults)


def _fresh_seed(used: set[Any]) -> int:
    """Short enough to be read to a neighbour, and none that was used for this message."""
    highest = int(min(SamplingParams.parameters()["seed"].maximum or 0, 999_999))
    while (seed := secrets.randbelow(highest + 1)) in used:
        pass
    return seed
