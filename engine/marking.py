"""Sentences of the engine that people read: English here, translated by the web side when they are shown."""

from __future__ import annotations


def _(message: str) -> str:
    """Mark a message for translation."""
    return message
