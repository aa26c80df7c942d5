"""A person's own words on a job, checked and brought into one form."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from common.errors import Fault
from training.notebook.limits import (
    MAX_CHARACTERS,
    MAX_NAME_CHARACTERS,
    MAX_TAG_CHARACTERS,
    MAX_TAGS,
)

TAG_SEPARATORS = re.compile(r"[,、，\n]")
_SPACES = re.compile(r"\s+")
_LINE_ENDS = re.compile(r"\r\n?|[\u2028\u2029]")
# Control characters, with NUL, and halves of characters: no database takes them all.
_UNUSABLE = frozenset({"Cc", "Cs"})
# In one line also what can not be seen and disguises it: direction marks, private and unassigned characters.
_HIDDEN = _UNUSABLE | {"Cf", "Co", "Cn"}
# The joiners hold together the parts of emoji and of words in some scripts.
_JOINERS = "\u200c\u200d"


def read_note(text: str, field: str, faults: list[Fault]) -> str:
    """A text of several lines in its stored form; a fault where it is too long or can not be stored.

    Args:
        field: notes, prediction or explanation.
    """
    return read_text(text, field, MAX_CHARACTERS[field], faults)


def read_text(text: str, field: str, limit: int, faults: list[Fault]) -> str:
    """As read_note, for a text of another kind."""
    text = _normal(_LINE_ENDS.sub("\n", text)).strip()
    if any(unicodedata.category(char) in _UNUSABLE and char not in "\n\t" for char in text):
        faults.append(
            Fault(
                _("The text holds characters that can not be seen or stored. Type it again."),
                field=field,
            )
        )
    elif len(text) > limit:
        faults.append(_too_long(text, field, limit))
    return text


def read_line(text: str, field: str, limit: int, faults: list[Fault]) -> str:
    """As read_text, in one line."""
    line = _one_line(text)
    if _is_hidden(line):
        faults.append(
            Fault(_("The text holds characters that can not be seen. Type it again."), field=field)
        )
    elif len(line) > limit:
        faults.append(_too_long(line, field, limit))
    return line


def _too_long(text: str, field: str, limit: int) -> Fault:
    sentence = ngettext(
        "The text is too long: %(length)d characters. Shorten it to %(limit)d character.",
        "The text is too long: %(length)d characters. Shorten it to %(limit)d characters.",
        limit,
    )
    return Fault(sentence % {"length": len(text), "limit": limit}, field=field)


def read_tags(tags: Sequence[str], faults: list[Fault]) -> list[str]:
    """Tags in their order, each once, whatever its case. A comma separates two, as it does where they are typed."""
    found: dict[str, str] = {}
    for part in (part for text in tags for part in TAG_SEPARATORS.split(text)):
        if tag := _one_line(part):
            found.setdefault(tag.casefold(), tag)
    read = list(found.values())
    if any(_is_hidden(tag) for tag in read):
        faults.append(
            Fault(_("A tag holds characters that can not be seen. Type it again."), field="tags")
        )
    if any(len(tag) > MAX_TAG_CHARACTERS for tag in read):
        sentence = ngettext(
            "A tag may have %(count)d character at most.",
            "A tag may have %(count)d characters at most.",
            MAX_TAG_CHARACTERS,
        )
        faults.append(Fault(sentence % {"count": MAX_TAG_CHARACTERS}, field="tags"))
    if len(read) > MAX_TAGS:
        sentence = ngettext(
            "A job may have %(count)d tag at most. Remove some.",
            "A job may have %(count)d tags at most. Remove some.",
            MAX_TAGS,
        )
        faults.append(Fault(sentence % {"count": MAX_TAGS}, field="tags"))
    return read


def read_name(text: str, faults: list[Fault]) -> str:
    """A job's name in one line."""
    name = _one_line(text)
    if not name:
        faults.append(Fault(_("Give the job a name, so that you find it again."), field="name"))
    elif _is_hidden(name):
        faults.append(
            Fault(_("The name holds characters that can not be seen. Type it again."), field="name")
        )
    elif len(name) > MAX_NAME_CHARACTERS:
        sentence = ngettext(
            "The name may have %(count)d character at most.",
            "The name may have %(count)d characters at most.",
            MAX_NAME_CHARACTERS,
        )
        faults.append(Fault(sentence % {"count": MAX_NAME_CHARACTERS}, field="name"))
    return name


def _one_line(text: str) -> str:
    return _SPACES.sub(" ", _normal(text)).strip()


def _normal(text: str) -> str:
    # Composed, so that the same word typed on two systems is the same text.
    return unicodedata.normalize("NFC", text)


def _is_hidden(text: str) -> bool:
    return any(unicodedata.category(char) in _HIDDEN and char not in _JOINERS for char in text)
