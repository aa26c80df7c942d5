"""How near an answer comes to the one hoped for: the same words, or how much of its spelling."""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Any

IGNORED_AT_THE_END = ".,;:!?。、，．！？…・"
"""Marks behind which nothing else stands; so “Kyoto.” is “Kyoto”."""
MAX_COMPARED_CHARACTERS = 8_000
"""Of each text: a model that repeats itself for pages is as unlike after these as after all of them."""


def normalized(text: str) -> str:
    """The text as answers are compared: NFKC, small letters, single spaces, no marks at the end."""
    words = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return words.rstrip(IGNORED_AT_THE_END + " ")


def is_exact(answer: str, reference: str) -> bool:
    """Whether both are the same but for width, case, white space and the marks at their end."""
    # Where a text is nothing but such marks, they are what counts.
    one, other = normalized(answer), normalized(reference)
    return one == other if one or other else answer.strip() == reference.strip()


def similarity(answer: str, reference: str) -> float:
    """chrF, from 0 to 100: how many runs of one to six characters both share. Needs no spaces between words.

    Both are compared as for `is_exact`, so that what is exactly right has 100.
    """
    if is_exact(answer, reference):
        return 100.0
    one, other = (normalized(text)[:MAX_COMPARED_CHARACTERS] for text in (answer, reference))
    return float(_chrf().sentence_score(one, [other]).score) if one and other else 0.0


def similarity_signature() -> str:
    """Which measure it was, with its parameters and version: so that somebody else can repeat it."""
    # The library fills some of it in with the first text that it measures.
    similarity("a", "b")
    return f"{_chrf().get_signature()}|text:normalized"


@cache
def _chrf() -> Any:
    # It is read when the first run is over, not when the server starts.
    from sacrebleu.metrics.chrf import CHRF  # noqa: PLC0415

    return CHRF()
