"""Sentences one after another, as the active language writes them."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils.translation import get_language

UNSPACED_LANGUAGES = frozenset({"ja"})
"""No space stands between their sentences."""


def joined(sentences: Iterable[str]) -> str:
    """Those that say something, in one paragraph."""
    language = (get_language() or "").partition("-")[0]
    return ("" if language in UNSPACED_LANGUAGES else " ").join(filter(None, sentences))
