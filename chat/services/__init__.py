"""What a person asks of chat: open a session, send, stop, rename, delete. Validates, writes, queues on commit."""

from __future__ import annotations

import unicodedata
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import User
from chat import lifecycle
from chat.models import Answerer, ChatSession, Message, Reply
from chat.selectors import active_reply_ids, talkable_jobs
from chat.tasks import answer
from common.errors import ConflictError, Fault, InvalidInputError
from common.poke import poke_on_commit
from engine.config import InvalidConfigError, SamplingParams
from modelhub.models import BaseModel
from modelhub.selectors import get_base_model
from training.models import TrainingJob
from training.selectors import get_job
from training.sentences import fault_sentence

MAX_NAME_CHARACTERS = 120
MAX_MESSAGE_CHARACTERS = 16_000
"""More than any context here holds; what fits exactly is decided by the engine in tokens."""
SESSION_SETTINGS = ("system_prompt",)
ALLOWED_CONTROLS = "\n\t"


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
    clean = _session_settings(settings or {}, faults)
    if faults:
        raise InvalidInputError(
            _("The chat was not opened, because some settings can not be used."), faults=faults
        )
    if job_id is None:
        answerers = [_base_answerer(get_base_model(str(model_name)))]
    else:
        job = _talkable_job(owner, job_id)
        answerers = [_tuned_answerer(job)]
        if is_compared:
            answerers.append(_base_answerer(job.base_model))
    session = ChatSession(owner=owner, settings=clean, name=clean_name(name) or answerers[0].label)
    with transaction.atomic():
        session.save(force_insert=True)
        for position, answerer in enumerate(answerers):
            answerer.session, answerer.position = session, position
        Answerer.objects.bulk_create(answerers)
    return session


def _talkable_job(owner: User, job_id: UUID | str) -> TrainingJob:
    job = get_job(owner, job_id)
    if not talkable_jobs(owner).filter(pk=job.pk).exists():
        raise ConflictError(
            _("This job has no adapter to talk to yet. Wait until it is completed.")
        )
    return job


def _tuned_answerer(job: TrainingJob) -> Answerer:
    return Answerer(
        kind=Answerer.Kind.TUNED,
        label=job.name[:MAX_NAME_CHARACTERS],
        job=job,
        base_model=job.base_model,
    )


def _base_answerer(base_model: BaseModel) -> Answerer:
    return Answerer(
        kind=Answerer.Kind.BASE,
        label=base_model.name[:MAX_NAME_CHARACTERS],
        base_model=base_model,
    )


def send_message(
    session: ChatSession, *, text: str, sampling: dict[str, Any] | None = None
) -> Message:
    """Store the message and queue its replies.

    Raises:
        InvalidInputError: the text is empty, too long or not text, or the sampling is out of range.
        ConflictError: the last message is still being answered.
    """
    faults: list[Fault] = []
    text = _message_text(text, faults)
    params = _sampling({**_sampling_of(session), **(sampling or {})}, faults)
    if faults:
        raise InvalidInputError(str(faults[0].message), faults=faults)
    with transaction.atomic():
        # The lock keeps two windows of one person from sending at the same moment.
        locked = ChatSession.objects.select_for_update().get(pk=session.pk)
        if active_reply_ids(session):
            raise ConflictError(_("The model is still answering. Wait for it, or stop it first."))
        answerers = _present_answerers(session)
        message = Message.objects.create(session=session, parent_id=locked.head_id, text=text)
        for answerer in answerers:
            reply = Reply.objects.create(message=message, answerer=answerer, sampling=params)
            poke_on_commit(answer, str(reply.pk))
        session.head = message
        session.save(update_fields=["head", "updated_at"])
    return message


def cancel_replies(session: ChatSession) -> int:
    """Stop what is being answered; the text so far stays. Returns how many replies were stopped."""
    return lifecycle.request_cancel(session.pk)


def rename_session(session: ChatSession, name: str) -> ChatSession:
    """Raises InvalidInputError when the name is empty."""
    session.name = clean_name(name)
    if not session.name:
        raise InvalidInputError(
            _("Give the chat a name."), faults=[Fault(_("Give the chat a name."), field="name")]
        )
    session.save(update_fields=["name", "updated_at"])
    return session


def delete_session(session: ChatSession) -> None:
    """Delete the conversation; a reply under way is stopped by the missing row."""
    session.delete()


def clean_name(name: str) -> str:
    """One line without control characters, at most MAX_NAME_CHARACTERS long."""
    visible = "".join(
        " " if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") else char for char in name
    )
    return " ".join(visible.split())[:MAX_NAME_CHARACTERS]


def _present_answerers(session: ChatSession) -> list[Answerer]:
    """Those that can still answer.

    Raises:
        ConflictError: the adapters of all of them were deleted.
    """
    answerers = [answerer for answerer in session.answerers.all() if not answerer.is_gone]
    if not answerers:
        raise ConflictError(
            _(
                "The training job of this chat was deleted, and its adapter with it. "
                "You can still read the chat; begin a new one to go on with another model."
            )
        )
    return answerers


def _message_text(text: str, faults: list[Fault]) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        faults.append(Fault(_("Write a message first."), field="message"))
    elif len(text) > MAX_MESSAGE_CHARACTERS:
        faults.append(
            Fault(
                _(
                    "The message has %(count)d characters; at most %(limit)d can be sent. Shorten it."
                )
                % {"count": len(text), "limit": MAX_MESSAGE_CHARACTERS},
                field="message",
            )
        )
    elif any(
        unicodedata.category(char) in ("Cc", "Cs") and char not in ALLOWED_CONTROLS for char in text
    ):
        faults.append(
            Fault(
                _(
                    "The message contains characters that are not text. Remove them, or type the message again."
                ),
                field="message",
            )
        )
    return text


def _session_settings(values: dict[str, Any], faults: list[Fault]) -> dict[str, Any]:
    """The system prompt and the sampling that every message starts from."""
    sampling = {name: value for name, value in values.items() if name not in SESSION_SETTINGS}
    clean = _sampling(sampling, faults) if sampling else {}
    system_prompt = values.get("system_prompt", "")
    if not isinstance(system_prompt, str):
        faults.append(Fault(_("The system prompt must be text."), field="settings.system_prompt"))
    elif system_prompt.strip():
        clean["system_prompt"] = _message_text(system_prompt, faults)
    return clean


def _sampling_of(session: ChatSession) -> dict[str, Any]:
    return {name: value for name, value in session.settings.items() if name not in SESSION_SETTINGS}


def _sampling(values: dict[str, Any], faults: list[Fault]) -> dict[str, Any]:
    try:
        return SamplingParams.from_mapping(values).to_dict()
    except InvalidConfigError as error:
        faults += [
            Fault(fault_sentence(fault), field=f"settings.{fault.name}") for fault in error.faults
        ]
        return {}
