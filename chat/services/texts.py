"""Text that people type into chats: what is taken, and the sentence for what is not."""

from __future__ import annotations

import unicodedata

from django.utils.translation import gettext as _

from common.errors import Fault

MAX_NAME_CHARACTERS = 120
MAX_MESSAGE_CHARACTERS = 16_000
"""More than any context here holds; what fits exactly is decided by the engine in tokens."""
ALLOWED_CONTROLS = "\n\t"


def clean_name(name: str) -> str:
    """One line without control characters, at most MAX_NAME_CHARACTERS long."""
    visible = "".join(
        " " if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") else char for char in name
    )
    return " ".join(visible.split())[:MAX_NAME_CHARACTERS]


def read_text(text: str, faults: list[Fault], *, field: str = "message") -> str:
    """The text with plain line ends; what is wrong with it is added to faults."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if sentence := _fault_of(text):
        faults.append(Fault(sentence, field=field))
    return text


def _fault_of(text: str) -> str:
    if not text.strip():
        return _("Write a message first.")
    if len(text) > MAX_MESSAGE_CHARACTERS:
        return _(
            "The message has %(count)d characters; at most %(limit)d can be sent. Shorten it."
        ) % {"count": len(text), "limit": MAX_MESSAGE_CHARACTERS}
    if any(
        unicodedata.category(char) in ("Cc", "Cs") and char not in ALLOWED_CONTROLS for char in text
    ):
        return _(
            "The message contains characters that are not text. Remove them, or type the message again."
        )
    return ""
