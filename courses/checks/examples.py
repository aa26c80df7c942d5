"""Which examples a dataset holds, however they are written."""

from __future__ import annotations

from functools import cache, lru_cache

from courses.starter import LANGUAGES, Part, hidden_records, starter_levels, starter_records
from datasets_app.intake.quality import answers_of, normalised, question_of
from datasets_app.models import DatasetVersion
from datasets_app.selectors import read_examples
from engine.data.records import Example, read_example

MOST_EXAMPLES = 2_000
"""So many of a dataset are looked at: a lesson's has some dozens."""
KEPT_SETS = 512

Pair = tuple[str, str]
"""A question and an answer without case, width, punctuation and white space."""


def pairs_of(version: DatasetVersion) -> frozenset[Pair]:
    """
    Raises:
        UnavailableError: its file is not there.
    """
    return _pairs(version.digest, _Unhashed(version))


class _Unhashed:
    """Any version with the digest will do, so which one it is stays out of the key."""

    def __init__(self, version: DatasetVersion) -> None:
        self.version = version

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Unhashed)

    def __hash__(self) -> int:
        return 0


@lru_cache(maxsize=KEPT_SETS)
def _pairs(_digest: str, source: _Unhashed) -> frozenset[Pair]:
    examples = read_examples(source.version, limit=MOST_EXAMPLES)
    return frozenset(_pair(example) for example in examples)


@cache
def starter_sets() -> tuple[frozenset[Pair], ...]:
    """The training sets that come with the courses, in every language."""
    return tuple(
        _starter_pairs(level, "train", language)
        for level in starter_levels()
        for language in LANGUAGES
    )


@cache
def course_pairs() -> frozenset[Pair]:
    """Every example that comes with the courses: to learn from, to measure with, and the hidden ones."""
    kept = (
        example
        for level in starter_levels()
        for part in ("eval", "hidden")
        for example in course_examples(level, part)
    )
    return frozenset().union(*starter_sets(), map(_pair, kept))


@cache
def course_examples(level: int, part: str) -> tuple[Example, ...]:
    """The questions of a level's evaluation or hidden set in every language."""
    records = []
    for language in LANGUAGES:
        if part == "hidden":
            records += hidden_records(level, language)
        else:
            records += starter_records(level, "eval", language)
    return tuple(read_example(record, "instruction") for record in records)


@cache
def _starter_pairs(level: int, part: Part, language: str) -> frozenset[Pair]:
    records = starter_records(level, part, language)
    return frozenset(_pair(read_example(record, "instruction")) for record in records)


def _pair(example: Example) -> Pair:
    return normalised(question_of(example)), normalised("\n".join(answers_of(example)))
