"""What a model should have answered becomes an example of a dataset, so that the next training learns it."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.utils.translation import gettext as _

from accounts.models import User
from chat.models import Reply
from chat.selectors import branch_of
from common.errors import Fault, InvalidInputError
from datasets_app.models import Dataset, DatasetVersion
from datasets_app.selectors import get_owned_dataset, latest_version
from datasets_app.services.creating import create_dataset
from datasets_app.services.editing import add_row
from engine.data.records import DatasetType

COLLECTING_TYPES = (Dataset.Type.INSTRUCTION, Dataset.Type.CHAT)


def add_to_dataset(user: User, reply: Reply, dataset_id: UUID | str) -> DatasetVersion:
    """A new version of one of the person's datasets, with the corrected reply as its last example.

    Raises:
        NotFoundError: there is no such dataset for this person.
        ForbiddenError: it is another person's.
        InvalidInputError: its examples have neither questions nor conversations, or there is no answer to learn.
        ConflictError: it was changed at the same moment.
        TooLargeError: it is too large to be changed here, or the person's space is used up.
    """
    dataset = get_owned_dataset(user, dataset_id)
    if dataset.type not in COLLECTING_TYPES:
        sentence = _(
            "“%(name)s” holds plain text. Choose a dataset of questions with answers, or of conversations."
        ) % {"name": dataset.name}
        raise InvalidInputError(sentence, faults=[Fault(sentence, field="dataset_id")])
    record = record_of(reply, cast(DatasetType, dataset.type))
    return add_row(user, dataset, record, latest_version(dataset).number)


def begin_dataset(user: User, reply: Reply, *, name: str, dataset_type: str) -> DatasetVersion:
    """A new dataset with the corrected reply as its first example.

    Raises:
        InvalidInputError: the name or the type can not be used, or there is no answer to learn.
        TooLargeError: the person's space is used up.
    """
    if dataset_type not in COLLECTING_TYPES:
        sentence = _("Choose questions with answers, or conversations.")
        raise InvalidInputError(sentence, faults=[Fault(sentence, field="dataset_type")])
    record = record_of(reply, cast(DatasetType, dataset_type))
    return latest_version(
        create_dataset(user, name=name, dataset_type=dataset_type, records=[record])
    )


def record_of(reply: Reply, dataset_type: DatasetType) -> dict[str, Any]:
    """The reply as an example. A conversation takes the system prompt and the earlier turns along, not to be learned.

    Raises:
        InvalidInputError: the reply has no text, and nobody has written a better one.
    """
    answer = reply.corrected_text or reply.text
    if not answer.strip():
        sentence = _("There is no answer to learn yet. Write what the model should have answered.")
        raise InvalidInputError(sentence, faults=[Fault(sentence, field="corrected_text")])
    question = reply.message.text
    if dataset_type == "instruction":
        return {"instruction": question, "output": answer}
    asked = {"role": "user", "content": question}
    return {"messages": [*_before(reply), asked, {"role": "assistant", "content": answer}]}


def _before(reply: Reply) -> list[dict[str, Any]]:
    """The turns before the message, as this model saw them; its own answers carry no weight unless corrected."""
    session = reply.message.session
    prompt = session.settings.get("system_prompt", "")
    turns: list[dict[str, Any]] = [{"role": "system", "content": prompt}] if prompt else []
    turns += reply.message.history or []
    own = Reply.objects.filter(
        answerer=reply.answerer_id, is_chosen=True, message__session=session
    ).exclude(text="")
    said = {earlier.message_id: earlier for earlier in own}
    for message in branch_of(session.messages.all(), reply.message.parent_id):
        if (earlier := said.get(message.pk)) is None:
            continue
        turns.append({"role": "user", "content": message.text})
        turns.append(_earlier_answer(earlier))
    return turns


def _earlier_answer(reply: Reply) -> dict[str, Any]:
    if reply.corrected_text:
        return {"role": "assistant", "content": reply.corrected_text}
    return {"role": "assistant", "content": reply.text, "weight": 0}
