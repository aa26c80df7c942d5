"""Put a set of questions to several models, stop that, and delete what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.notifications import forget
from chat import lifecycle
from chat.models import Answerer, ChatSession, PromptRun
from chat.prompt_sets.finding import get_set
from chat.prompt_sets.held_out import held_out_of
from chat.prompt_sets.items import Item, digest_of, stored_items
from chat.prompt_sets.reading import read_version
from chat.prompt_sets.results import Opening, model_facts
from chat.prompt_sets.running import advance
from chat.prompt_sets.sources import get_course_questions, source_of
from chat.services.opening import named_answerer, save_session
from chat.services.settings import read_settings, sampling_of
from chat.services.texts import MAX_NAME_CHARACTERS, clean_name
from chat.tasks import advance_run
from common.errors import ConflictError, Fault, InvalidInputError
from common.poke import poke_on_commit
from datasets_app.selectors import get_dataset, get_version, latest_version
from training.selectors import get_job

MAX_MODELS = 4
MAX_UNFINISHED = 3
"""Runs of one person at a time: each keeps several replies in the queue."""
GREEDY = {"temperature": 0, "seed": 0, "max_tokens": 128}
"""The likeliest answer, the same each time: what differs is then the model."""


@dataclass(frozen=True, slots=True)
class RunOrder:
    """What a person asks for.

    Attributes:
        models: one to four names: job-<id> for a tuned model, else that of a base model.
        set_id, course_id, dataset_id, held_out_job_id: where the questions come from; exactly one of them. The last
            one is a job whose held-out examples are meant.
        version: number of the dataset's version; the newest where it is None.
        settings: the system prompt, and the sampling where it is not greedy.
    """

    models: list[str]
    set_id: UUID | str | None = None
    course_id: str | None = None
    dataset_id: UUID | str | None = None
    held_out_job_id: UUID | str | None = None
    version: int | None = None
    name: str = ""
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Questions:
    source: dict[str, Any]
    items: list[Item]


def start_run(owner: User, order: RunOrder) -> PromptRun:
    """Begin to put the questions to the models.

    Raises:
        InvalidInputError: not one to four different models, not one source, or bad settings.
        NotFoundError: a model or the questions are not there for this person.
        ConflictError: a job has no adapter yet, or too many runs are under way.
        UnavailableError: the dataset's file is not there.
    """
    faults: list[Fault] = []
    settings = read_settings({**GREEDY, **order.settings}, faults)
    if faults:
        raise InvalidInputError(
            _("The run was not started, because some settings can not be used."), faults=faults
        )
    questions = _questions(owner, order)
    answerers = _answerers(owner, order.models)
    name = clean_name(order.name) or clean_name(str(questions.source["title"]))
    session = ChatSession(
        owner=owner, name=name, kind=ChatSession.Kind.EVALUATION, settings=settings
    )
    with transaction.atomic():
        _admit(owner)
        save_session(session, answerers)
        opening = Opening(
            models=[model_facts(answerer) for answerer in answerers],
            sampling=sampling_of(session),
            messages=[],
        )
        run = PromptRun.objects.create(
            session=session,
            source=questions.source,
            items=[item.as_dict() for item in questions.items],
            digest=digest_of(questions.items),
            results=opening,
        )
        advance(run.pk)
    return run


def cancel_run(run: PromptRun) -> bool:
    """Put no more questions, and stop what is being answered; what was answered stays. Whether there was a run."""
    with transaction.atomic():
        locked = PromptRun.objects.select_for_update().filter(pk=run.pk).first()
        if locked is None or locked.state != PromptRun.State.RUNNING:
            return False
        locked.state = PromptRun.State.CANCELLED
        locked.save(update_fields=["state"])
        lifecycle.request_cancel(locked.session_id)
        # With nothing under way no reply ends any more that would wake it.
        poke_on_commit(advance_run, str(locked.pk))
    return True


def delete_run(run: PromptRun) -> None:
    """With its answers; those under way are stopped by their missing rows."""
    with transaction.atomic():
        forget(subject=str(run.pk))
        run.session.delete()


def _admit(owner: User) -> None:
    """One after another, so that the last place is given once.

    Raises:
        ConflictError: too many runs are under way.
    """
    User.objects.select_for_update(no_key=True).get(pk=owner.pk)
    unfinished = PromptRun.objects.filter(
        session__owner=owner, state=PromptRun.State.RUNNING
    ).count()
    if unfinished >= MAX_UNFINISHED:
        raise ConflictError(
            _(
                "%(count)d of your runs are under way, as many as one can have at a time. "
                "Wait until one is over, or stop one."
            )
            % {"count": unfinished}
        )


# --- models -----------------------------------------------------------------------------------------


def _answerers(owner: User, names: list[str]) -> list[Answerer]:
    if not 1 <= len(names) <= MAX_MODELS:
        sentence = _("Choose one to %(limit)d models.") % {"limit": MAX_MODELS}
        raise InvalidInputError(sentence, faults=[Fault(sentence, field="models")])
    answerers = [named_answerer(owner, name) for name in names]
    seen = {(answerer.job_id, answerer.base_model_id) for answerer in answerers}
    if len(seen) < len(answerers):
        sentence = _("The same model was chosen twice. Choose different ones.")
        raise InvalidInputError(sentence, faults=[Fault(sentence, field="models")])
    return answerers


# --- questions --------------------------------------------------------------------------------------


def _questions(owner: User, order: RunOrder) -> _Questions:
    given = (order.set_id, order.course_id, order.dataset_id, order.held_out_job_id)
    if sum(value is not None for value in given) != 1:
        sentence = _("Choose one source of questions: a prompt set, a course, or a dataset.")
        raise InvalidInputError(sentence, faults=[Fault(sentence, field="questions")])
    if order.set_id is not None:
        prompt_set = get_set(owner, order.set_id)
        return _Questions(source_of(prompt_set), stored_items(prompt_set.items))
    if order.course_id is not None:
        course = get_course_questions(order.course_id, get_language() or "en")
        return _Questions(course.source, list(course.items))
    if order.held_out_job_id is not None:
        return _held_out(owner, order.held_out_job_id)
    return _dataset(owner, order)


def _dataset(owner: User, order: RunOrder) -> _Questions:
    dataset = get_dataset(owner, str(order.dataset_id))
    version = (
        latest_version(dataset) if order.version is None else get_version(dataset, order.version)
    )
    source = {"kind": "dataset", "id": str(version.pk), "title": dataset.name}
    return _Questions(source | {"version": version.number}, read_version(version))


def _held_out(owner: User, job_id: UUID | str) -> _Questions:
    job = get_job(owner, job_id)
    held_out = held_out_of(job)
    if held_out is None:
        raise ConflictError(
            _(
                "“%(name)s” held no examples out, or it is not known any more which ones. Choose other questions."
            )
            % {"name": job.name}
        )
    version = held_out.version
    title = _("%(dataset)s, held out from “%(job)s”") % {
        "dataset": version.dataset.name,
        "job": job.name,
    }
    source = {
        "kind": "dataset",
        "id": str(version.pk),
        "title": title[:MAX_NAME_CHARACTERS],
        "version": version.number,
        "held_out_from": str(job.pk),
    }
    return _Questions(source, read_version(version, held_out.numbers))
