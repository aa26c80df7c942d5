"""Other ways through a conversation: an edited message begins a branch, a regenerated reply is a further take."""

from __future__ import annotations

import secrets
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from chat import lifecycle
from chat.conversations import newest_below
from chat.models import ChatSession, Message, Reply
from chat.services.sending import (
    add_message,
    lock_idle,
    present_answerers,
    queue_reply,
    take_turn,
)
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
        lifecycle.tell(session.pk, {"type": "branch", "message_id": str(message.pk)})
    return session


def regenerate(reply: Reply, *, sampling: dict[str, Any] | None = None) -> Reply:
    """Let the same model answer the same message again; the new take stands in the conversation.

    The seed is a new one, unless one is given or the temperature is 0, where it changes nothing.

    Raises:
        InvalidInputError: the sampling is out of range.
        TooManyRequestsError: too many replies wait already.
        ConflictError: something is still being answered, the model is gone, or there are MAX_TAKES already.
    """
    return _draw_again(reply.message, [reply], sampling or {})[0]


def regenerate_all(message: Message, *, sampling: dict[str, Any] | None = None) -> list[Reply]:
    """Let every model that is there answer the message again, all with the same settings and the same new seed.

    Raises:
        InvalidInputError: the sampling is out of range.
        TooManyRequestsError: too many replies wait already.
        ConflictError: something is still being answered, no model is left, or there are MAX_TAKES already.
    """
    present = {answerer.pk for answerer in present_answerers(message.session)}
    standing = message.replies.filter(is_chosen=True, answerer__in=present)
    replies = list(standing.select_related("answerer__base_model", "answerer__job"))
    if not replies:
        raise ConflictError(_("No model has answered this message. Ask it again instead."))
    return _draw_again(message, replies, sampling or {})


def _draw_again(message: Message, replies: list[Reply], sampling: dict[str, Any]) -> list[Reply]:
    """A new take for each of the replies that stand under a message."""
    faults: list[Fault] = []
    params = read_sampling({**replies[0].sampling, **sampling}, faults)
    _refuse(faults)
    session = message.session
    answerers = [reply.answerer_id for reply in replies]
    with transaction.atomic():
        take_turn(session, reply_count=len(replies))
        takes = message.replies.filter(answerer__in=answerers)
        earlier = list(takes.order_by("take").values_list("answerer", "take", "sampling"))
        last = {answerer: take for answerer, take, _used in earlier}
        _check_takes(max(last.values()))
        if params["temperature"] > 0 and "seed" not in sampling:
            params["seed"] = _fresh_seed({used.get("seed") for *_take, used in earlier})
        takes.filter(is_chosen=True).update(is_chosen=False)
        session.save(update_fields=["updated_at"])
        return [
            queue_reply(message, reply.answerer, params, take=last[reply.answerer_id] + 1)
            for reply in replies
        ]


def _check_takes(count: int) -> None:
    """
    Raises:
        ConflictError: that many are all that are kept.
    """
    if count >= MAX_TAKES:
        raise ConflictError(
            _(
                "There are %(count)d takes of this reply already, which is the most that is kept. "
                "Choose one of them, or change the message."
            )
            % {"count": count}
        )


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
        event = {"message_id": str(reply.message_id), "reply_id": str(reply.pk)}
        lifecycle.tell(reply.message.session_id, {"type": "branch", **event})
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
