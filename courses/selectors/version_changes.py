"""What is different between two versions of a course: which steps, what about them, and which lines of a text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from courses.catalogue.schema import LANGUAGES, CourseContent, Step

Aspect = Literal["text_en", "text_ja", "checks", "minutes", "questions", "rules"]
LineKind = Literal["same", "added", "removed", "gap"]
RULES = ("kind", "required", "weight", "unlock", "action", "reflection")
AROUND = 1
"""Lines that stay the same and are shown before and after those that changed."""


@dataclass(frozen=True, slots=True)
class StepChange:
    """A step that both versions have.

    Attributes:
        aspects: what about it changed.
    """

    key: str
    title: str
    aspects: tuple[Aspect, ...]


@dataclass(frozen=True, slots=True)
class NamedStep:
    key: str
    title: str


@dataclass(frozen=True, slots=True)
class VersionChanges:
    """
    Attributes:
        is_reordered: the steps that both versions have come in another order.
        is_about_changed: title, summary, outcomes, minutes or what is to be finished first.
    """

    added: tuple[NamedStep, ...]
    removed: tuple[NamedStep, ...]
    changed: tuple[StepChange, ...]
    is_reordered: bool
    is_about_changed: bool


@dataclass(frozen=True, slots=True)
class DiffLine:
    """A line of a text; a gap stands for lines that are the same and not shown."""

    kind: LineKind
    text: str = ""


def changes_between(old: CourseContent, new: CourseContent, language: str) -> VersionChanges:
    before = {step.key: step for step in old.steps}
    after = {step.key: step for step in new.steps}
    return VersionChanges(
        added=tuple(_named(step, language) for step in new.steps if step.key not in before),
        removed=tuple(_named(step, language) for step in old.steps if step.key not in after),
        changed=tuple(
            StepChange(step.key, step.text(language).title, aspects)
            for step in new.steps
            if step.key in before and (aspects := tuple(_aspects(before[step.key], step)))
        ),
        is_reordered=[key for key in before if key in after]
        != [key for key in after if key in before],
        is_about_changed=_about(old) != _about(new),
    )


def text_difference(old: Step | None, new: Step | None, language: str) -> list[DiffLine]:
    """Line by line; of a step that only one version has, all lines. Nothing where the texts are the same."""
    before, after = _lines(old, language), _lines(new, language)
    if before == after:
        return []
    found: list[DiffLine] = []
    for tag, start, end, new_start, new_end in SequenceMatcher(
        None, before, after, autojunk=False
    ).get_opcodes():
        if tag == "equal":
            found += [DiffLine("same", line) for line in before[start:end]]
            continue
        found += [DiffLine("removed", line) for line in before[start:end]]
        found += [DiffLine("added", line) for line in after[new_start:new_end]]
    return list(_shortened(found))


def _shortened(lines: list[DiffLine]) -> Iterator[DiffLine]:
    near = {
        position + offset
        for position, line in enumerate(lines)
        if line.kind != "same"
        for offset in range(-AROUND, AROUND + 1)
    }
    is_in_gap = False
    for position, line in enumerate(lines):
        if position in near:
            is_in_gap = False
            yield line
        elif not is_in_gap:
            is_in_gap = True
            yield DiffLine("gap")


def _lines(step: Step | None, language: str) -> list[str]:
    """Without the empty lines between paragraphs, each of which is one line."""
    if step is None:
        return []
    text = step.text(language)
    return [line for line in (f"# {text.title}", *text.body.splitlines()) if line.strip()]


def _aspects(old: Step, new: Step) -> Iterator[Aspect]:
    for language, aspect in zip(LANGUAGES, ("text_en", "text_ja"), strict=True):
        before, after = old.text(language), new.text(language)
        if (before.title, before.body) != (after.title, after.body):
            yield aspect  # type: ignore[misc]
    if old.checks != new.checks:
        yield "checks"
    if old.minutes != new.minutes:
        yield "minutes"
    if old.questions != new.questions:
        yield "questions"
    if any(getattr(old, name) != getattr(new, name) for name in RULES):
        yield "rules"


def _about(content: CourseContent) -> dict[str, object]:
    return content.about.model_dump(exclude={"steps", "draft"})


def _named(step: Step, language: str) -> NamedStep:
    return NamedStep(step.key, step.text(language).title)
