"""Examples of a version as the detail page shows them: turn by turn, with what the model learns marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from django.core.paginator import Page, Paginator
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from datasets_app.models import DatasetVersion
from datasets_app.selectors import read_examples
from engine.data.records import Example

EXAMPLES_PER_PAGE = 10
SHOWN_CHARACTERS = 1500

ROLE_LABELS: dict[str, Promise] = {
    "system": _("System"),
    "user": _("User"),
    "assistant": _("Assistant"),
    "prompt": _("Prompt"),
    "completion": _("Completion"),
}


@dataclass(frozen=True, slots=True)
class ShownTurn:
    """One part of an example.

    Attributes:
        hidden_count: characters that are left out of content.
    """

    role: str
    label: Promise
    content: str
    is_trained: bool
    hidden_count: int


@dataclass(frozen=True, slots=True)
class ShownExample:
    number: int
    turns: list[ShownTurn]


class _Examples:
    """Reads from storage only the slice that a page shows."""

    def __init__(self, version: DatasetVersion) -> None:
        self._version = version

    def __len__(self) -> int:
        return self._version.example_count

    def __getitem__(self, window: slice) -> list[ShownExample]:
        examples = read_examples(
            self._version, limit=window.stop - window.start, offset=window.start
        )
        return [
            shown_example(example, number)
            for number, example in enumerate(examples, start=window.start + 1)
        ]


def preview_page(version: DatasetVersion, number: str | None) -> Page[ShownExample]:
    """One page of examples.

    Raises:
        UnavailableError: the file is not there.
    """
    # A paginator needs no more of a list than its length and its slices.
    examples = cast(Sequence[ShownExample], _Examples(version))
    return Paginator(examples, EXAMPLES_PER_PAGE).get_page(number)


def shown_example(example: Example, number: int) -> ShownExample:
    if example.turns:
        parts = [(turn.role, turn.content, turn.is_trained) for turn in example.turns]
    else:
        parts = [("prompt", example.prompt, False), ("completion", example.completion, True)]
    return ShownExample(number, [_shown_turn(*part) for part in parts if part[1]])


def _shown_turn(role: str, content: str, is_trained: bool) -> ShownTurn:  # noqa: FBT001
    hidden = max(0, len(content) - SHOWN_CHARACTERS)
    return ShownTurn(role, ROLE_LABELS[role], content[:SHOWN_CHARACTERS], is_trained, hidden)
