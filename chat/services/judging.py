"""What a person thinks of a reply: good or bad, and what it should have been."""

from __future__ import annotations

from django.utils.translation import gettext as _

from chat.models import Reply
from chat.selectors import ACTIVE
from chat.services.texts import read_text
from common.errors import ConflictError, Fault, InvalidInputError

RATINGS = (1, -1)


def rate(reply: Reply, rating: int | None) -> Reply:
    """Judge a reply; None takes the judgement back.

    Raises:
        InvalidInputError: rating is another number.
        ConflictError: the reply is not complete yet.
    """
    if rating is not None and rating not in RATINGS:
        sentence = _("Rate with 1 for good, -1 for bad, or nothing to take the rating back.")
        raise InvalidInputError(sentence, faults=[Fault(sentence, field="rating")])
    _check_is_over(reply)
    # Only this column: the others are the worker's.
    Reply.objects.filter(pk=reply.pk).update(rating=rating)
    reply.rating = rating
    return reply


def correct(reply: Reply, text: str) -> Reply:
    """Keep what the model should have answered; an empty text, or the reply itself, takes it back.

    Raises:
        InvalidInputError: the text is too long, or not text.
        ConflictError: the reply is not complete yet.
    """
    _check_is_over(reply)
    faults: list[Fault] = []
    if text.strip():
        text = read_text(text, faults, field="corrected_text").strip()
    if faults:
        raise InvalidInputError(str(faults[0].message), faults=faults)
    corrected = "" if text.strip() == reply.text.strip() else text.strip()
    Reply.objects.filter(pk=reply.pk).update(corrected_text=corrected)
    reply.corrected_text = corrected
    return reply


def _check_is_over(reply: Reply) -> None:
    if reply.status in ACTIVE:
        raise ConflictError(_("The model is still answering. Wait for it, or stop it first."))
