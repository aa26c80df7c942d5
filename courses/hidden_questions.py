"""The questions that a level keeps from its students. They are read where a model is measured, and stored nowhere."""

from __future__ import annotations

from functools import cache

from chat.prompt_sets.items import Item, digest_of
from courses.starter import hidden_records


@cache
def hidden_questions(level: int, language: str) -> tuple[Item, ...]:
    """With the answers hoped for; empty where the level keeps none."""
    return tuple(
        Item(record["instruction"], record["output"]) for record in hidden_records(level, language)
    )


@cache
def hidden_digest(level: int, language: str) -> str:
    return digest_of(hidden_questions(level, language))
