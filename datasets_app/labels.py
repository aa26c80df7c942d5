"""The words that a person gives a dataset: its name, its description and its type, cleaned and checked."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from pathlib import PurePosixPath

from django.utils.translation import gettext as _

from common.errors import Fault, InvalidInputError
from datasets_app.models import Dataset, DatasetVersion
from engine.data.records import DATASET_TYPES, DatasetType

_NAME_LENGTH = Dataset._meta.get_field("name").max_length or 0
_DESCRIPTION_LENGTH = Dataset._meta.get_field("description").max_length or 0
_SOURCE_NAME_LENGTH = DatasetVersion._meta.get_field("source_name").max_length or 0
_SPACES = re.compile(r"\s+")
# Control characters, direction marks that disguise a name, halves of characters, and private or unassigned ones.
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})


@dataclass(frozen=True, slots=True)
class Labels:
    name: str
    description: str
    dataset_type: DatasetType | None


def read_labels(name: str, description: str, dataset_type: str | None) -> Labels:
    """The labels as they are stored.

    Raises:
        InvalidInputError: with a fault for each field that is wrong.
    """
    clean_name = _SPACES.sub(" ", name).strip()
    clean_description = description.replace("\r\n", "\n").strip()
    faults = [*_name_faults(clean_name), *_description_faults(clean_description)]
    kind = next((known for known in DATASET_TYPES if known == dataset_type), None)
    if dataset_type and kind is None:
        faults.append(
            Fault(_("This type is unknown. Choose instruction, chat or completion."), field="type")
        )
    if faults:
        message = (
            faults[0].message if len(faults) == 1 else _("Some fields can not be used as they are.")
        )
        raise InvalidInputError(message, faults=faults)
    return Labels(clean_name, clean_description, kind)


def _name_faults(name: str) -> list[Fault]:
    if not name:
        return [Fault(_("Give the dataset a name."), field="name")]
    if len(name) > _NAME_LENGTH:
        sentence = _("The name is too long: use at most %(limit)d characters.")
        return [Fault(sentence % {"limit": _NAME_LENGTH}, field="name")]
    if any(_is_hidden(char) for char in name):
        return [
            Fault(_("The name holds characters that can not be seen. Type it again."), field="name")
        ]
    return []


def _description_faults(description: str) -> list[Fault]:
    if len(description) > _DESCRIPTION_LENGTH:
        sentence = _("The description is too long: use at most %(limit)d characters.")
        return [Fault(sentence % {"limit": _DESCRIPTION_LENGTH}, field="description")]
    if any(_is_hidden(char) and char not in "\n\t" for char in description):
        return [
            Fault(
                _("The description holds characters that can not be seen. Type it again."),
                field="description",
            )
        ]
    return []


def clean_file_name(file_name: str) -> str:
    """A file's name as it may be shown and stored: no folders, nothing that can not be seen."""
    last = PurePosixPath(file_name.replace("\\", "/")).name
    return "".join(char for char in last if not _is_hidden(char))[-_SOURCE_NAME_LENGTH:].strip()


def name_from_file(file_name: str) -> str:
    """A dataset's name made of its file's name."""
    stem = PurePosixPath(file_name.removesuffix(".gz")).stem.strip()
    return stem[:_NAME_LENGTH].strip() or _("Dataset")


def _is_hidden(char: str) -> bool:
    # The joiner holds the parts of many emoji together.
    return unicodedata.category(char) in _HIDDEN_CATEGORIES and char != "\u200d"
