"""Begin a conversation with a tuned model or a base model."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import User
from chat.models import Answerer, ChatSession
from chat.selectors import talkable_jobs
from chat.services.settings import read_settings
from chat.services.texts import MAX_NAME_CHARACTERS, clean_name
from common.errors import ConflictError, Fault, InvalidInputError
from modelhub.models import BaseModel
from modelhub.selectors import get_base_model
from training.models import TrainingJob
from training.selectors import get_job


def create_session(
    owner: User,
    *,
    name: str = "",
    job_id: UUID | str | None = None,
    model_name: str | None = None,
    is_compared: bool = False,
    settings: dict[str, Any] | None = None,
) -> ChatSession:
    """Open a conversation with a tuned model or a base model.

    Raises:
        InvalidInputError: not exactly one model, or bad settings.
        NotFoundError: the job or model is not there for this person.
        ConflictError: the job has no adapter yet.
    """
    if (job_id is None) == (model_name is None):
        raise InvalidInputError(
            _("Choose exactly one model to talk to: a completed job or a base model."),
            faults=[Fault(_("Give either a job or a base model."), field="job_id")],
        )
    faults: list[Fault] = []
    clean = read_settings(settings or {}, faults)
    if faults:
        raise InvalidInputError(
            _("The chat was not opened, because some settings can not be used."), faults=faults
        )
    if job_id is None:
        answerers = [base_answerer(get_base_model(str(model_name)))]
    else:
        job = talkable_job(owner, job_id)
        answerers = [tuned_answerer(job)]
        if is_compared:
            answerers.append(base_answerer(job.base_model))
    session = ChatSession(owner=owner, settings=clean, name=clean_name(name) or answerers[0].label)
    return save_session(session, answerers)


@transaction.atomic
def save_session(session: ChatSession, answerers: list[Answerer]) -> ChatSession:
    """Store a new session with the models that answer in it, in their order."""
    session.save(force_insert=True)
    for position, answerer in enumerate(answerers):
        answerer.session, answerer.position = session, position
    Answerer.objects.bulk_create(answerers)
    return session


def talkable_job(owner: User, job_id: UUID | str) -> TrainingJob:
    """A job of the person whose adapter can be talked to.

    Raises:
        NotFoundError: there is no such job for this person.
        ConflictError: it has no adapter yet.
    """
    job = get_job(owner, job_id)
    if not talkable_jobs(owner).filter(pk=job.pk).exists():
        raise ConflictError(
            _("This job has no adapter to talk to yet. Wait until it is completed.")
        )
    return job


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
