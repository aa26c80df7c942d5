"""Questions that are offered for the next duel."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from random import Random

from accounts.models import User
from chat.arena.entries import Entry
from chat.models import PromptSet

SUGGESTIONS = 4
MAX_CHARACTERS = 160
READ_SETS = 5


def suggested_questions(user: User, entries: Sequence[Entry], draw: Random) -> list[str]:
    """A few of the adapters' sample questions and of the person's own prompt sets, others each time."""
    found = dict.fromkeys(_usable(_all(user, entries)))
    return draw.sample(list(found), min(SUGGESTIONS, len(found)))


def _all(user: User, entries: Sequence[Entry]) -> Iterator[str]:
    for entry in entries:
        yield from entry.questions
    for items in PromptSet.objects.visible_to(user).values_list("items", flat=True)[:READ_SETS]:
        yield from (item.get("prompt", "") for item in items)


def _usable(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        question = text.strip()
        if question and len(question) <= MAX_CHARACTERS:
            yield question
