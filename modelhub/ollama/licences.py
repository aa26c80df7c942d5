"""The short name of a licence that Ollama tells in full."""

from __future__ import annotations

import re
from typing import Any

from modelhub.ollama.values import plain_text

MAX_CHARACTERS = 80

_KNOWN = (
    (re.compile(r"\s*apache license\W+version 2\.0", re.IGNORECASE), "Apache-2.0"),
    (re.compile(r"\s*(the )?mit license", re.IGNORECASE), "MIT"),
    (re.compile(r"\s*gnu general public license\W+version 3", re.IGNORECASE), "GPL-3.0"),
    (re.compile(r"\s*gnu affero general public license", re.IGNORECASE), "AGPL-3.0"),
)


def licence_name(short: Any, text: Any) -> str:
    """What its maker calls the licence, else what the text is known as, else its title; empty where nothing is told.

    Args:
        short: from the model's file.
        text: of the licence, or several of them.
    """
    named = plain_text(short).strip()
    if named and named.casefold() != "other":
        return named[:MAX_CHARACTERS]
    whole = plain_text(text[0] if isinstance(text, list) and text else text)
    for pattern, name in _KNOWN:
        if pattern.match(whole):
            return name
    title = next((line.strip() for line in whole.splitlines() if line.strip()), "")
    return " ".join(title.split())[:MAX_CHARACTERS]
