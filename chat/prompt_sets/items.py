"""The questions of a set: what is taken, the sentence for what is not, and the digest by which sets are compared."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from chat.services.texts import ALLOWED_CONTROLS, MAX_MESSAGE_CHARACTERS
from common.errors import Fault, InvalidInputError

MAX_ITEMS = 200
MAX_SET_CHARACTERS = 1_000_000
"""Of all questions and answers together: a run keeps a copy of its own."""
MAX_FAULTS = 50
FIELDS = ("prompt", "reference")


@dataclass(frozen=True, slots=True)
class Item:
    """One question.

    Attributes:
        reference: the answer hoped for; empty where none is.
    """

    prompt: str
    reference: str = ""

    def as_dict(self) -> dict[str, str]:
        return {"prompt": self.prompt, "reference": self.reference}


@dataclass(frozen=True, slots=True)
class Located:
    """An item as it came, and where it stood: a line of a file or the number of a record; None in a form."""

    prompt: Any
    reference: Any = ""
    line: int | None = None


def read_items(found: Iterable[Located]) -> list[Item]:
    """The items that may be stored.

    Raises:
        InvalidInputError: with every fault, by line.
    """
    faults: list[Fault] = []
    located = list(found)
    items = [_read(item, faults) for item in located]
    if not located:
        faults.append(Fault(_("There is no question in it. Give at least one."), field="items"))
    if len(located) > MAX_ITEMS:
        faults.append(Fault(_too_many(len(located)), field="items"))
    elif sum(len(item.prompt) + len(item.reference) for item in items) > MAX_SET_CHARACTERS:
        faults.append(Fault(_too_long_together(), field="items"))
    if faults:
        raise refusal(faults)
    return items


def refusal(faults: list[Fault]) -> InvalidInputError:
    """Why nothing was stored: one sentence for one fault, a list for several."""
    if len(faults) == 1 and faults[0].line is None:
        return InvalidInputError(faults[0].message, faults=faults)
    sentence = ngettext(
        "The questions were not saved, because %(count)d fault was found. Mend it and send them again.",
        "The questions were not saved, because %(count)d faults were found. Mend them and send them again.",
        len(faults),
    ) % {"count": len(faults)}
    shown, hidden = faults[:MAX_FAULTS], len(faults) - MAX_FAULTS
    if hidden > 0:
        more = ngettext("And %(count)d more fault.", "And %(count)d more faults.", hidden)
        shown.append(Fault(more % {"count": hidden}))
    return InvalidInputError(sentence, faults=shown)


def stored_items(rows: Iterable[Mapping[str, Any]]) -> list[Item]:
    """Items as a set or a run keeps them."""
    return [Item(str(row["prompt"]), str(row.get("reference", ""))) for row in rows]


def digest_of(items: Iterable[Item]) -> str:
    """The same for the same questions and answers in the same order."""
    rows = [[item.prompt, item.reference] for item in items]
    return hashlib.sha256(json.dumps(rows, ensure_ascii=False).encode()).hexdigest()


def _read(found: Located, faults: list[Fault]) -> Item:
    texts = {}
    for name in FIELDS:
        texts[name] = text = _plain(getattr(found, name))
        if sentence := _fault_of(name, text):
            faults.append(Fault(sentence, field=name, line=found.line))
    return Item(texts["prompt"] or "", texts["reference"] or "")


def _plain(value: Any) -> str | None:
    """The text with plain line ends and without blank edges; None for what is no text."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return None
    return value.replace("\r\n", "\n").replace("\r", "\n").strip()


def _fault_of(name: str, text: str | None) -> str:
    if text is None:
        return _("A question and its answer must be text.")
    if name == "prompt" and not text:
        return _("The question is missing. Write one, or remove the row.")
    if len(text) > MAX_MESSAGE_CHARACTERS:
        sentence = (
            _("The question has %(count)d characters; at most %(limit)d can be asked. Shorten it.")
            if name == "prompt"
            else _("The answer has %(count)d characters; at most %(limit)d are kept. Shorten it.")
        )
        return sentence % {"count": len(text), "limit": MAX_MESSAGE_CHARACTERS}
    if any(
        unicodedata.category(char) in ("Cc", "Cs") and char not in ALLOWED_CONTROLS for char in text
    ):
        return _("It contains characters that are not text. Remove them, or type it again.")
    return ""


def _too_many(count: int) -> str:
    return _(
        "There are %(count)d questions; a set holds at most %(limit)d. Leave some out, or make two sets."
    ) % {"count": count, "limit": MAX_ITEMS}


def _too_long_together() -> str:
    return _(
        "The questions and answers have more than %(limit)d characters together. Leave some out, or make two sets."
    ) % {"limit": MAX_SET_CHARACTERS}
