"""Sentences about datasets and imports, made from the codes and numbers that are stored with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from datasets_app.checking import FAILURES as CHECK_FAILURES
from datasets_app.hub import FAILURES as HUB_FAILURES
from datasets_app.models import Dataset
from datasets_app.wording.finding_sentences import finding_sentence


def issue_sentence(issue: Mapping[str, Any]) -> str:
    """What was found in the records, and what to do about it."""
    return finding_sentence(issue["code"], issue["params"], issue["count"])


def import_error_sentence(error: Mapping[str, Any]) -> str:
    """Why an import failed."""
    failures = {**CHECK_FAILURES, **HUB_FAILURES}
    if error.get("reason") in failures:
        return str(failures[error["reason"]])
    if error.get("code") == "attempts":
        return _(
            "The worker that read this file was stopped three times, so it is not tried again. "
            "Split the file, or ask your instructor."
        )
    return str(error.get("message", ""))


def import_is_decided() -> str:
    return _(
        "This file is a dataset already or is just being checked, so nothing more can be decided about it. "
        "Load the page again."
    )


def other_type_than_target(dataset: Dataset) -> str:
    return _(
        "“%(name)s” holds examples of the type “%(type)s”, and its versions do so too. "
        "Choose columns for that type, or save the file as a dataset of its own."
    ) % {"name": dataset.name, "type": dataset.get_type_display()}


def bad_mapping() -> str:
    return _(
        "The mapping can not be used. "
        "Name a shape (instruction, chat, completion or text) and a column for each of its parts."
    )
