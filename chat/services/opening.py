"""Begin a conversation with one model, or with several that answer side by side."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import User
from chat.models import Answerer, ChatSession
from chat.naming import are_kinds_enough
from chat.selectors import get_talkable_job
from chat.services.settings import read_settings
from chat.services.texts import MAX_NAME_CHARACTERS, clean_name
from common.errors import ConflictError, Fault, InvalidInputError
from modelhub.models import BaseModel
from modelhub.selectors import get_base_model
from training.models import TrainingJob

MIN_COMPARED, MAX_COMPARED = 2, 4
"""Models side by side: more find no room on a screen, and no attention."""
MAX_CHATS = 1000
"""A person's own. Nobody reads so many; a program that opens one for each question would fill the list."""
JOB_PREFIX = "job-"
"""Begins the name of a tuned model; what follows is its job's id."""


def create_session(
    owner: User,
    *,
    name: str = "",
    job_id: UUID | str | None = None,
    model_name: str | None = None,
    is_compared: bool = False,
    models: Sequence[str] | None = None,
    is_blind: bool = False,
    settings: dict[str, Any] | None = None,
) -> ChatSession:
    """Open a conversation with a tuned model, a base model, or several of either kind.

    Args:
        job_id: a completed job; with is_compared its base model answers beside it.
        model_name: a base model.
        models: names of MIN_COMPARED to MAX_COMPARED models: base models, or `job-<id>`.
        is_blind: hide which model is which until the person has voted; they come in a random order.

    Raises:
        InvalidInputError: not exactly one choice of models, one that can not be compared, or bad settings.
        NotFoundError: a job or model is not there for this person.
        ConflictError: a job has no adapter yet, or the person keeps as many chats as one person may.
    """
    _check_room(owner)
    if sum(choice is not None for choice in (job_id, model_name, models)) != 1:
        raise InvalidInputError(
            _("Choose exactly one model to talk to: a completed job or a base model."),
            faults=[Fault(_("Give a job, a base model, or models to compare."), field="job_id")],
        )
    faults: list[Fault] = []
    clean = read_settings(settings or {}, faults)
    if faults:
        raise InvalidInputError(
            _("The chat was not opened, because some settings can not be used."), faults=faults
        )
    if models is not None:
        answerers = _compared_answerers(owner, models)
    elif job_id is not None:
        answerers = _job_answerers(owner, job_id, is_compared=is_compared)
    else:
        answerers = [base_answerer(get_base_model(str(model_name)))]
    if is_blind:
        _mix(answerers)
    session = ChatSession(
        owner=owner,
        settings=clean,
        is_blind=is_blind,
        name=clean_name(name) or _own_name(answerers, is_blind=is_blind),
    )
    return save_session(session, answerers)


def _check_room(owner: User) -> None:
    kept = ChatSession.objects.filter(owner=owner, kind=ChatSession.Kind.CHAT).count()
    if kept >= MAX_CHATS:
        raise ConflictError(
            ngettext(
                "You keep %(count)d chat, and one person may keep no more, so no other was opened. "
                "Delete one that you no longer need, after saving it as a file if you like, then try again.",
                "You keep %(count)d chats, and one person may keep no more, so no other was opened. "
                "Delete some that you no longer need, after saving them as files if you like, then try again.",
                kept,
            )
            % {"count": kept}
        )


@transaction.atomic
def save_session(session: ChatSession, answerers: list[Answerer]) -> ChatSession:
    """Store a new session with the models that answer in it, in their order."""
    session.save(force_insert=True)
    for position, answerer in enumerate(answerers):
        answerer.session, answerer.position = session, position
    Answerer.objects.bulk_create(answerers)
    return session


def tuned_answerer(job: TrainingJob) -> Answerer:
    """Not stored yet."""
    return Answerer(
        kind=Answerer.Kind.TUNED,
        label=job.name[:MAX_NAME_CHARACTERS],
        job=job,
        base_model=job.base_model,
    )


def base_answerer(base_model: BaseModel) -> Answerer:
    """Not stored yet."""
    return Answerer(
        kind=Answerer.Kind.BASE,
        label=base_model.name[:MAX_NAME_CHARACTERS],
        base_model=base_model,
    )


def named_answerer(owner: User, name: str) -> Answerer:
    """Of a base model's name or `job-<id>`; not stored yet.

    Raises:
        NotFoundError: there is no such model for this person.
        ConflictError: the job has no adapter yet.
    """
    if name.startswith(JOB_PREFIX):
        return tuned_answerer(get_talkable_job(owner, name.removeprefix(JOB_PREFIX)))
    return base_answerer(get_base_model(name))


def _job_answerers(owner: User, job_id: UUID | str, *, is_compared: bool) -> list[Answerer]:
    job = get_talkable_job(owner, job_id)
    tuned = tuned_answerer(job)
    return [tuned, base_answerer(job.base_model)] if is_compared else [tuned]


def _compared_answerers(owner: User, names: Sequence[str]) -> list[Answerer]:
    """
    Raises:
        InvalidInputError: too few, too many, or the same one twice.
    """
    if len(names) < MIN_COMPARED:
        _refuse(_("Choose at least %(count)d models to compare.") % {"count": MIN_COMPARED})
    if len(names) > MAX_COMPARED:
        _refuse(
            _(
                "At most %(limit)d models can be compared at once; you chose %(count)d. Leave some out."
            )
            % {"limit": MAX_COMPARED, "count": len(names)}
        )
    answerers = [named_answerer(owner, name) for name in names]
    seen = {(answerer.job_id, answerer.base_model_id) for answerer in answerers}
    if len(seen) < len(answerers):
        _refuse(
            _(
                "The same model stands there twice. It would give the same answers: choose another one."
            )
        )
    _tell_apart(answerers)
    return answerers


def _refuse(sentence: str) -> None:
    raise InvalidInputError(sentence, faults=[Fault(sentence, field="models")])


def _tell_apart(answerers: list[Answerer]) -> None:
    """Two jobs may bear the same name: a number then tells which is which."""
    taken: set[str] = set()
    for answerer in answerers:
        label, number = answerer.label, 1
        while answerer.label in taken:
            number += 1
            ending = f" ({number})"
            answerer.label = label[: MAX_NAME_CHARACTERS - len(ending)] + ending
        taken.add(answerer.label)


def _mix(answerers: list[Answerer]) -> None:
    """
    Raises:
        InvalidInputError: there is only one, so there is nothing to guess.
    """
    if len(answerers) < MIN_COMPARED:
        sentence = _(
            "One model alone can not be hidden. Choose at least two to compare them blind."
        )
        raise InvalidInputError(sentence, faults=[Fault(sentence, field="is_blind")])
    secrets.SystemRandom().shuffle(answerers)


def _own_name(answerers: list[Answerer], *, is_blind: bool) -> str:
    """A chat's name where its owner gave none; a blind one does not tell whom it is with."""
    if is_blind:
        return _("Blind comparison")
    if are_kinds_enough(answerers):
        tuned = (answerer for answerer in answerers if answerer.kind == Answerer.Kind.TUNED)
        return next(tuned, answerers[0]).label
    return clean_name(" · ".join(answerer.label for answerer in answerers))
