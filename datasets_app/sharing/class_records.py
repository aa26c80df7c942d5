"""A row that a person typed as two texts, as a record of a class dataset."""

from __future__ import annotations

import json
from typing import Any, cast

from django.utils.translation import gettext as _

from common.errors import Fault, InvalidInputError
from engine.data.records import DatasetType, RecordError, read_example

MAX_RECORD_BYTES = 64 * 1024


def build_record(dataset_type: str, question: str, answer: str) -> dict[str, Any]:
    """The two texts in the shape of the dataset."""
    if dataset_type == "chat":
        return {
            "messages": [
                {"role": "user", "content": question},
                {"role": "assistant", "content": answer},
            ]
        }
    if dataset_type == "completion":
        return {"prompt": question, "completion": answer}
    return {"instruction": question, "output": answer}


def texts_of(record: dict[str, Any]) -> tuple[str, str]:
    """Question and answer of a record that build_record made."""
    if "messages" in record:
        question, answer = record["messages"]
        return question["content"], answer["content"]
    if "prompt" in record:
        return record["prompt"], record["completion"]
    return record["instruction"], record["output"]


def checked_record(dataset_type: str, question: str, answer: str) -> dict[str, Any]:
    """The same, with the limits of an upload.

    Raises:
        InvalidInputError: a text is empty, too long or can not be stored.
    """
    faults = [*_text_faults("question", question), *_text_faults("answer", answer)]
    if faults:
        raise InvalidInputError(faults[0].message, faults=faults)
    record = build_record(dataset_type, question, answer)
    if len(stored_line(record).encode()) > MAX_RECORD_BYTES:
        sentence = _(
            "This record is longer than 64 KiB. Shorten it or split it into several records."
        )
        raise InvalidInputError(sentence, faults=[Fault(sentence, field="answer")])
    try:
        read_example(record, cast(DatasetType, dataset_type))
    except RecordError as error:
        raise InvalidInputError(_("This row does not fit the type of the dataset.")) from error
    return record


def stored_line(record: dict[str, Any]) -> str:
    """A record as a line of a version's file."""
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"))


def comparable(record: Any) -> str:
    """Equal for two records with the same fields and texts, whatever order they are in."""
    return json.dumps(record, ensure_ascii=False, sort_keys=True)


def _text_faults(field: str, text: str) -> list[Fault]:
    if not text.strip():
        return [Fault(_("This is empty. Write a text."), field=field)]
    if "\x00" in text or not _is_unicode(text):
        return [
            Fault(_("There are characters in it that can not be stored. Type it again."), field)
        ]
    return []


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
