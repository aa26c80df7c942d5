"""The sentence for each way in which a record can be of the wrong shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from datasets_app.parsing.strict_json import shown
from engine.data.records import DatasetType, RecordError

_MAX_SHOWN_FIELDS = 8


def record_sentence(error: RecordError) -> str:
    """What is wrong with the record and how to mend it."""
    values = {name: shown(str(value)) for name, value in error.params.items()}
    sentences = {
        "missing_field": _("The field “%(field)s” is missing. Add it, with text in it."),
        "not_text": _(
            "The field “%(field)s” must hold text in quotes, not a number, a list or an object."
        ),
        "empty_field": _("The field “%(field)s” is empty. Write text in it or remove the record."),
        "bad_messages": _(
            "The field “messages” must be a list of objects, each with “role” and “content”."
        ),
        "bad_role": _("The role “%(role)s” is unknown. Use system, user or assistant."),
        "no_answer": _(
            "No message has the role assistant, so there is no answer to learn from. Add one."
        ),
    }
    return sentences[error.code] % values


def unknown_shape_sentence(record: Mapping[str, Any]) -> str:
    """The fields found, and those of the three shapes."""
    names = ", ".join(shown(str(name)) for name in list(record)[:_MAX_SHOWN_FIELDS])
    if not names:
        return _(
            "This record is empty. It needs instruction and output, or messages, or prompt and completion, or text."
        )
    return _(
        "The record has the fields “%(found)s”. "
        "It needs instruction and output, or messages, or prompt and completion, or text."
    ) % {"found": names}


def mixed_sentence(shape: DatasetType | None, dataset_type: DatasetType) -> str:
    """A record of one shape among records of another."""
    return _(
        "This is a %(found)s record in a dataset of %(expected)s records. Keep to one shape, or make two datasets."
    ) % {
        "found": shape,
        "expected": dataset_type,
    }
