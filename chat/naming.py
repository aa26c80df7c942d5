"""What the models of a chat are called: by their names, or by letters while a person judges without knowing them.

Whatever shows a model to a reader asks here, so that no page, file, event or call tells a name before its time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from chat.models import Answerer, ChatSession, Reply
from chat.selectors import may_answer
from chat.sentences import absence_sentence, failure_sentence

LETTERS = "ABCD"
HIDDEN = "hidden"
"""The kind of a model that nobody may be told yet."""
HIDDEN_CODE = "model_failed"
"""Stands for each failure of a model whose name is hidden: many causes would tell which it is."""


@dataclass(frozen=True, slots=True)
class Face:
    """A model as its reader may see it.

    Attributes:
        kind: tuned, base or hidden.
        kind_name: the same in words; empty while hidden.
        name: the model's name, or its letter in words while hidden.
        letter: of a blind chat, where it still tells after the reveal which model was which.
        heading: what stands above its answers.
    """

    kind: str
    kind_name: str
    name: str
    letter: str
    heading: str

    @property
    def is_hidden(self) -> bool:
        return self.kind == HIDDEN


def faces_of(session: ChatSession) -> dict[UUID, Face]:
    """Of every model of a chat, in their order."""
    answerers = list(session.answerers.all())
    is_told_by_kind = are_kinds_enough(answerers) and not session.is_blind
    return {row.pk: _face(session, row, is_told_by_kind=is_told_by_kind) for row in answerers}


def face_of(session: ChatSession, answerer: Answerer) -> Face:
    return faces_of(session)[answerer.pk]


def shown_name(session: ChatSession, answerer: Answerer) -> str:
    if session.hides_names:
        return _("Model %(letter)s") % {"letter": LETTERS[answerer.position]}
    if session.kind == ChatSession.Kind.DUEL and not may_answer(answerer):
        return _("An adapter that takes no part any more")
    return answerer.label


def subtitle_of(session: ChatSession) -> str:
    """What kind of chat it is, in a few words."""
    count = len(session.answerers.all())
    if session.is_blind:
        return _("Blind comparison of %(count)d models") % {"count": count}
    if is_before_and_after(session):
        return _("Tuned beside base")
    if count > 1:
        return _("%(count)d models side by side") % {"count": count}
    return str(session.main.get_kind_display())


def is_before_and_after(session: ChatSession) -> bool:
    """Whether a tuned model answers beside the base model that it was made from."""
    answerers = list(session.answerers.all())
    return len(answerers) > 1 and are_kinds_enough(answerers)


def are_kinds_enough(answerers: list[Answerer]) -> bool:
    """Whether "tuned" and "base" tell the models apart: one model, or one beside what it was made from."""
    kinds = {answerer.kind for answerer in answerers}
    bases = {answerer.base_model_id for answerer in answerers}
    return len(kinds) == len(answerers) and len(bases) == 1


def _face(session: ChatSession, answerer: Answerer, *, is_told_by_kind: bool) -> Face:
    name = shown_name(session, answerer)
    letter = LETTERS[answerer.position] if session.is_blind else ""
    if session.hides_names:
        return Face(HIDDEN, "", name, letter, name)
    kind_name = str(answerer.get_kind_display())
    return Face(answerer.kind, kind_name, name, letter, kind_name if is_told_by_kind else name)


# --- what would tell a name -------------------------------------------------------------------------


def shown_figures(session: ChatSession, figures: dict[str, Any]) -> dict[str, Any]:
    """Of the usage or the timings of a reply only the numbers while names are hidden: a text may name a server."""
    return _numbers_of(figures) if session.hides_names else figures


def _numbers_of(figures: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in figures.items() if isinstance(value, int | float)}


def shown_failure(session: ChatSession, reply: Reply) -> str:
    """Why a reply failed, in words; empty unless it did."""
    sentence = failure_sentence(reply)
    return hidden_failure() if sentence and session.hides_names else sentence


def hidden_failure() -> str:
    return _(
        "This model could not answer. The reason would tell which model it is, "
        "so it is told once the names are revealed."
    )


def shown_absences(session: ChatSession) -> list[str]:
    """Why models of the chat can not answer any more, each sentence once."""
    sentences = [absence_sentence(answerer) for answerer in session.answerers.all()]
    found = list(dict.fromkeys(filter(None, sentences)))
    return [_hidden_absence()] if found and session.hides_names else found


def shown_absence(session: ChatSession, answerer: Answerer) -> str:
    """Why this model can not answer any more; empty while it can."""
    sentence = absence_sentence(answerer)
    return _hidden_absence() if sentence and session.hides_names else sentence


def _hidden_absence() -> str:
    return _(
        "One of the models can not answer any more. The reason would tell which model it is, "
        "so it is told once the names are revealed."
    )


def shown_event(event: dict[str, Any], *, hides_names: bool) -> dict[str, Any]:
    """An event of the chat as a program may read it."""
    if not hides_names:
        return event
    plain = {name: value for name, value in event.items() if name != "target"}
    for name in ("usage", "timings"):
        if name in plain:
            plain[name] = _numbers_of(plain[name])
    if plain["type"] == "error":
        plain |= {"code": HIDDEN_CODE, "params": {}}
    return plain
