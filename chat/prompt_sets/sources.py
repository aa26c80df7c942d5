"""Questions that the layers above bring along: they register where they come from, since chat may not ask them.

The courses do so when the product starts (courses.prompt_sources).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from chat.models import PromptSet
from chat.prompt_sets.items import Item, digest_of
from common.errors import NotFoundError


@dataclass(frozen=True, slots=True)
class CourseQuestions:
    """Questions of a course, the same for everybody.

    Attributes:
        id: stable, and the same in every language.
        language: code of the language that the questions are in.
    """

    id: str
    language: str
    title: str
    items: tuple[Item, ...]

    @property
    def digest(self) -> str:
        return digest_of(self.items)

    @property
    def source(self) -> dict[str, str]:
        """As a run keeps it."""
        return {"kind": "course", "id": self.id, "title": self.title, "language": self.language}


Lister = Callable[[str | None], list[CourseQuestions]]
"""Lists the questions in a language; with None, in all of them."""

_listers: list[Lister] = []


def register(lister: Lister) -> None:
    """Offer more questions; twice does no more than once."""
    if lister not in _listers:
        _listers.append(lister)


def course_questions(language: str) -> list[CourseQuestions]:
    """What is offered to a reader of that language."""
    return [questions for lister in _listers for questions in lister(language)]


def get_course_questions(source_id: str, language: str) -> CourseQuestions:
    """
    Raises:
        NotFoundError: no course has these questions.
    """
    for questions in course_questions(language):
        if questions.id == source_id:
            return questions
    raise NotFoundError(_("No course has these questions. Choose others."))


def source_of(prompt_set: PromptSet) -> dict[str, Any]:
    """Where a person's set comes from: an unchanged copy of a course's questions counts as those."""
    for lister in _listers:
        for questions in lister(None):
            if questions.digest == prompt_set.digest:
                return questions.source
    return {"kind": "own", "id": str(prompt_set.pk), "title": prompt_set.name}
