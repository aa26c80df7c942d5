"""The courses' questions, for the prompt sets of chat: what a level measures its students' models with."""

from __future__ import annotations

from functools import cache

from chat.prompt_sets.items import Item
from chat.prompt_sets.sources import CourseQuestions
from courses.starter import (
    DEFAULT_LANGUAGE,
    LANGUAGES,
    starter_about,
    starter_levels,
    starter_records,
)


def starter_questions(language: str | None) -> list[CourseQuestions]:
    """The questions of every level in a language; with None, in every language that there is."""
    languages = LANGUAGES if language is None else (_known(language),)
    return [_questions(level, code) for code in languages for level in starter_levels()]


@cache
def _questions(level: int, language: str) -> CourseQuestions:
    items = tuple(
        Item(record["instruction"], record["output"])
        for record in starter_records(level, "eval", language)
    )
    title = starter_about(level, language).title
    return CourseQuestions(f"level-{level}-eval", language, title, items)


def _known(language: str) -> str:
    code = language.partition("-")[0]
    return code if code in LANGUAGES else DEFAULT_LANGUAGE
